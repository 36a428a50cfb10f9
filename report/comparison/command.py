"""What compare.py does with the runs that it is given."""

import sys
from collections.abc import Sequence
from pathlib import Path

from data.places import no_output
from errors import RequestError, printable
from evaluation.options import Format
from report.comparison.comparing import Comparison, compare
from report.comparison.formats import written
from report.comparison.reading import read_run
from report.comparison.request import Asked


def compare_all(
    runs: Sequence[str],
    split: str,
    asked: Asked,
    form: str,
    pairs: bool,
    out: str | None,
    figures: Sequence[Format],
    export: str | None,
) -> None:
    """Prints the tables; writes the page and logs the runs, if that is asked for.

    The arguments are the options of compare.py.

    Raises:
        RequestError: in one line, for whatever was wrong with the request.
    """
    if figures and out is None:
        wanted = ",".join(figures)
        raise RequestError(f"--figures {wanted}: add --out PAGE, which they are written beside")
    if out and (why := no_output(Path(out))):
        raise RequestError(f"--out {out}: {why}")
    read = [read_run(path, split) for path in runs]
    comparisons = compare(read, asked)
    if out:
        from report.page.comparison import write_page

        write_page(comparisons, Path(out))
        print(printable(f"wrote {out}"), file=sys.stderr)
    if figures and out:
        print(printable(f"wrote {_draw(comparisons, out, figures)}"), file=sys.stderr)
    if export:
        from report.mlflow import export as log

        print(f"logged {len(read)} runs to {log(read)}", file=sys.stderr)
    print(printable(written(comparisons, form, pairs), keep="\n"))


def _draw(comparisons: Sequence[Comparison], out: str, formats: Sequence[Format]) -> str:
    from report.figures.comparison import draw_comparison

    try:
        folder, files = draw_comparison(comparisons, Path(out), formats)
    except OSError as error:
        raise RequestError(f"--figures: cannot be written ({error.strerror})") from error
    return f"{folder}/: {', '.join(files)}"
