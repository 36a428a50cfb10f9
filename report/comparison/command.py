"""What compare.py does with the runs that it is given."""

import sys
from collections.abc import Sequence
from pathlib import Path

from errors import printable
from report.comparison.comparing import compare
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
    export: str | None,
) -> None:
    """Prints the tables; writes the page and logs the runs, if that is asked for.

    The arguments are the options of compare.py.

    Raises:
        RequestError: in one line, for whatever was wrong with the request.
    """
    read = [read_run(path, split) for path in runs]
    comparisons = compare(read, asked)
    if out:
        from report.page.comparison import write_page

        write_page(comparisons, Path(out))
        print(printable(f"wrote {out}"), file=sys.stderr)
    if export:
        from report.mlflow import export as log

        print(f"logged {len(read)} runs to {log(read)}", file=sys.stderr)
    print(printable(written(comparisons, form, pairs), keep="\n"))
