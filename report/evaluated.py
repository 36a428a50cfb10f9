"""What was measured on one run, shown: its table on the terminal, its files, figures and page."""

from errors import printable
from evaluation.export import export
from evaluation.files import save_evaluation, save_imputations
from evaluation.imputation import Imputed
from evaluation.options import Options
from evaluation.result import Evaluation
from experiment.directory import of_split
from report import figures
from report.page.run import write_report
from report.table import evaluation_table, imputation_table


def show(found: Evaluation | Imputed, options: Options) -> None:
    """Prints the table of a result first, then writes its files and draws its figures."""
    if isinstance(found, Evaluation):
        show_evaluation(found, options)
    else:
        show_imputations(found, options)


def show_evaluation(evaluation: Evaluation, options: Options) -> None:
    """Prints the table, and writes the numbers, what `options` export, the figures and the page."""
    run = evaluation.run
    print(printable(evaluation_table(evaluation), keep="\n"))
    save_evaluation(evaluation, run.path)
    for what in options.export:
        print(printable(f"wrote {', '.join(map(str, export(evaluation, what)))}"))
    drawn = figures.draw_all(run, evaluation, options.figures)
    file = run.path / of_split("evaluation.json", evaluation.split)
    print(printable(f"wrote {file} and .npz; figures: {', '.join(drawn)}"))
    print(printable(f"wrote {write_report(run, evaluation, drawn)}") + "\n")


def show_imputations(imputed: Imputed, options: Options) -> None:
    """Prints how far off the filled in dimensions are, and writes them and a figure of some."""
    print(printable(imputation_table(imputed), keep="\n"))
    save_imputations(imputed)
    drawn = figures.draw_imputations(imputed, options.figures)
    arrays, folder = (of_split(name, imputed.split) for name in ("imputations.npz", "figures"))
    wrote = f"wrote {imputed.run.path / arrays} and .json; {folder}/{', '.join(drawn)}"
    print(printable(wrote) + "\n")
