"""Put finished runs side by side, fairly: python compare.py RUN [RUN …]."""

from configs.optional import needs
from configs.parser import Parser
from configs.process import complain, run_script
from errors import RequestError


def parser() -> Parser:
    """Returns the parser of the command line."""
    new = Parser(
        description="Compare evaluated runs: seeds averaged, differences paired per datum and "
        "tested, one table for each set of runs that measure the same thing. Prints the tables; "
        "--out writes a page that works offline.",
        epilog="example: python compare.py runs/digits/* --out report.html",
    )
    runs = "a run directory that evaluate.py has measured"
    new.add_argument("runs", nargs="+", metavar="RUN", help=runs)
    new.add_argument("--out", metavar="PAGE", help="write one self-contained HTML page here")
    formats = ("text", "csv", "markdown", "latex")
    new.add_argument("--format", default="text", choices=formats, help="of the tables (text)")
    splits, measured = ("train", "valid", "test"), "that evaluate.py measured on (test)"
    new.add_argument("--split", default="test", choices=splits, help=measured)
    by = "order by elbo, iwae, exact, … (the tightest that all runs have)"
    new.add_argument("--by", metavar="QUANTITY", help=by)
    store = "also log every run to the store that MLFLOW_TRACKING_URI names"
    new.add_argument("--export", choices=("mlflow",), help=store)
    return new


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if runs were compared, 2 if the request was wrong."""
    options = parser().parse_args(arguments)
    from report.comparison.command import compare_all

    try:
        if options.export:
            needs(options.export, f"--export {options.export}")
        compare_all(**vars(options))
    except RequestError as error:
        return complain(str(error), 2)
    return 0


if __name__ == "__main__":
    run_script(main)
