"""Put finished runs side by side, fairly: python compare.py RUN [RUN …]."""

import sys
from pathlib import Path

from configs.optional import needs
from configs.parser import Parser
from errors import RequestError


def parser() -> Parser:
    """The command line."""
    new = Parser(
        description="Compare evaluated runs: seeds averaged, differences paired per datum and tested, one table for each "
        "set of runs that measure the same thing. Prints the tables; --out writes a page that works offline.",
        epilog="example: python compare.py runs/digits/* --out report.html",
    )
    new.add_argument(
        "runs", nargs="+", metavar="RUN", help="a run directory that evaluate.py has measured"
    )
    new.add_argument("--out", metavar="PAGE", help="write one self-contained HTML page here")
    new.add_argument(
        "--format",
        default="text",
        choices=("text", "csv", "markdown", "latex"),
        help="of the tables (text)",
    )
    new.add_argument(
        "--split",
        default="test",
        choices=("train", "valid", "test"),
        help="that evaluate.py measured on (test)",
    )
    new.add_argument(
        "--by",
        metavar="QUANTITY",
        help="order by elbo, iwae, exact, … (the tightest that all runs have)",
    )
    new.add_argument(
        "--export",
        choices=("mlflow",),
        help="also log every run to the store that MLFLOW_TRACKING_URI names",
    )
    return new


def main(arguments: list[str] | None = None) -> int:
    """0 compared; 2 the request was wrong, in one line."""
    options = parser().parse_args(arguments)
    from report.comparison.comparing import compare
    from report.comparison.reading import read_run
    from report.comparison.tables import FORMATS

    try:
        if options.export:
            needs("mlflow", "--export mlflow")
        runs = [read_run(path, options.split) for path in options.runs]
        comparisons = compare(runs, options.by)
        if options.out:
            from report.page.comparison import write_page

            write_page(comparisons, Path(options.out))
            print(f"wrote {options.out}", file=sys.stderr)
        if options.export:
            from report.mlflow import export

            print(f"logged {len(runs)} runs to {export(runs)}", file=sys.stderr)
        print(FORMATS[options.format](comparisons))
    except RequestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
