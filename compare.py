"""Put finished runs side by side, fairly: python compare.py RUN [RUN …]."""

from functools import partial

from configs.optional import needs
from configs.parser import Parser, add_switch, named, some_of
from configs.process import complain, run_script
from errors import RequestError
from evaluation.options import FORMATS


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
    new.add_argument(
        "--out", metavar="PAGE", type=named, help="write one self-contained HTML page here"
    )
    drawn = "also write its charts beside the page, as png and as pdf or svg"
    files = partial(some_of, FORMATS)
    new.add_argument("--figures", type=files, default=[], metavar="FORMAT[,…]", help=drawn)
    formats = ("text", "csv", "markdown", "latex")
    new.add_argument("--format", default="text", choices=formats, help="of the tables (text)")
    splits, measured = ("train", "valid", "test"), "that evaluate.py measured on (test)"
    new.add_argument("--split", default="test", choices=splits, help=measured)
    by = "order by elbo, iwae, exact, … (the tightest that all runs have)"
    new.add_argument("--by", metavar="QUANTITY", help=by)
    reference = "compare every setting with this one, not with the best: prior=standard_normal"
    new.add_argument("--reference", metavar="SETTING", help=reference)
    columns = "show these only, in this order: seeds, elbo, iwae, bits_per_dim, difference, p, …"
    new.add_argument("--columns", metavar="NAME[,…]", type=words, help=columns)
    add_switch(new, "--pairs", "a row for each pair of settings, instead of each setting")
    store = "also log every run to the store that MLFLOW_TRACKING_URI names"
    new.add_argument("--export", choices=("mlflow",), help=store)
    return new


def words(text: str) -> list[str]:
    """Returns the words of `text`, which commas separate."""
    return text.split(",")


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if runs were compared, 2 if the request was wrong."""
    options = parser().parse_args(arguments)
    from report.comparison.command import compare_all
    from report.comparison.request import Asked

    try:
        if options.export:
            needs(options.export, f"--export {options.export}")
        asked = Asked(options.by, options.reference, options.columns)
        compare_all(
            options.runs,
            options.split,
            asked,
            options.format,
            options.pairs,
            options.out,
            options.figures,
            options.export,
        )
    except RequestError as error:
        return complain(str(error), 2)
    return 0


if __name__ == "__main__":
    run_script(main)
