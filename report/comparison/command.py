"""What compare.py does with the runs that it is given."""

import argparse
import sys
from pathlib import Path

from errors import needs
from report.comparison.comparing import compare
from report.comparison.reading import read_run
from report.comparison.tables import FORMATS


def compare_all(options: argparse.Namespace) -> None:
    """Prints the tables; writes the page and logs the runs, if that is asked for.

    Raises:
        RequestError: in one line, for whatever was wrong with the request.
    """
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
