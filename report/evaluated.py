"""What was measured on one run, shown: its table on the terminal, its files, figures and page."""

import sys
from collections.abc import Sequence

from tqdm import tqdm

from errors import printable
from evaluation.export import export
from evaluation.files import holds_whole, save_evaluation, save_imputations
from evaluation.imputation import Imputed
from evaluation.options import Options
from evaluation.result import Evaluation
from experiment.directory import of_split
from report import figures
from report.imputed import imputation_table
from report.page.run import write_report
from report.table import Table, remarks_table


def say(text: str) -> None:
    """Prints lines above a bar, if there is one."""
    tqdm.write(printable(text, keep="\n"), file=sys.stdout)
    sys.stdout.flush()


class Shown:
    """Prints the rows of a run's table as they become known, then writes files and figures."""

    def __init__(self) -> None:
        self.table = Table()

    def tell(self, evaluation: Evaluation) -> None:
        """Prints the rows that are known and were not printed yet."""
        if rows := self.table.rows(evaluation):
            say("\n".join(rows))

    def break_off(self, evaluation: Evaluation) -> None:
        """Prints and writes what is known of an evaluation that was interrupted.

        It replaces no evaluation that is whole.
        """
        if rows := self.table.rows(evaluation, last=True):
            say("\n".join(rows))
        file = evaluation.run.path / of_split("evaluation.json", evaluation.split)
        missing = ", ".join(evaluation.partial)
        if holds_whole(file):
            say(f"{file} stays as it is: it is whole, and this one lacks {missing}")
            return
        save_evaluation(evaluation, evaluation.run.path)
        say(f"wrote {file} and .npz, marked partial: without {missing}")

    def found_kept(self, stages: Sequence[str]) -> None:
        """Says which stages were not measured, as their results were kept."""
        if stages:
            say(f"\n  kept from before: {', '.join(stages)} (--again measures them anew)")

    def finish(self, found: Evaluation | Imputed, options: Options) -> None:
        """Prints what is left to be said, and writes the numbers, figures and the page."""
        if isinstance(found, Evaluation):
            self.tell(found)
            _finish(found, options)
        else:
            show_imputations(found, options)


def _finish(evaluation: Evaluation, options: Options) -> None:
    run = evaluation.run
    say(remarks_table(evaluation))
    save_evaluation(evaluation, run.path)
    for what in options.export:
        say(f"wrote {', '.join(map(str, export(evaluation, what)))}")
    drawn = figures.draw_all(run, evaluation, options.figures)
    file = run.path / of_split("evaluation.json", evaluation.split)
    say(f"wrote {file} and .npz; figures: {', '.join(drawn)}")
    say(f"wrote {write_report(run, evaluation, drawn)}\n")


def show_imputations(imputed: Imputed, options: Options) -> None:
    """Prints how far off the filled in dimensions are, and writes them and a figure of some."""
    say(imputation_table(imputed))
    save_imputations(imputed)
    drawn = figures.draw_imputations(imputed, options.figures)
    arrays, folder = (of_split(name, imputed.split) for name in ("imputations.npz", "figures"))
    kinds = " and .json" if imputed.run.dataset.columns is None else ", .json and .csv"
    wrote = f"wrote {imputed.run.path / arrays}{kinds}; {folder}/{', '.join(drawn)}"
    say(f"{wrote}\n")
