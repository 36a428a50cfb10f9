"""Bracket log p(x) for finished runs: python evaluate.py RUN [RUN …]."""

import argparse
import re
import sys
from typing import TYPE_CHECKING

from configs.cli import complain, spin_briefly
from errors import Parser, RequestError, TrainingError
from parallel import launch

if TYPE_CHECKING:
    from torch import Tensor

    from evaluation.imputation import Imputed
    from evaluation.measure import Wanted
    from evaluation.result import Evaluation
    from experiment import Run


def parser() -> Parser:
    """The command line."""
    new = Parser(
        description="Say where log p(x) is: the ELBO and its terms, IWAE, the exact evidence where it can be had. "
        "Prints a table; writes evaluation.json, evaluation.npz (per datum), figures/ and report.html into each run directory.",
        epilog="example: python evaluate.py runs/digits/* --particles 5000; everything: python evaluate.py RUN --full",
    )
    new.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="a run directory that train.py finished; data.root=DIR among them says where its data are now, if they were moved "
        "(so do data.path, data.labels, data.cache)",
    )
    new.add_argument(
        "--split",
        default="test",
        choices=("train", "valid", "test"),
        help="what to measure on (test); files of another split have its name: evaluation_train.json, figures_train/, …",
    )
    new.add_argument(
        "--particles",
        type=positive,
        default=5000,
        help="importance samples per datum for IWAE (5000)",
    )
    new.add_argument(
        "--elbo-particles",
        type=positive,
        default=100,
        help="draws of z per datum for the ELBO (100)",
    )
    new.add_argument("--limit", type=positive, help="only the first N examples of the split")
    long = new.add_argument_group("what takes longer, and says more")
    long.add_argument(
        "--full", action="store_true", help="all of it: --ais 1000 --gap --calibration"
    )
    long.add_argument(
        "--ais",
        type=positive,
        metavar="T",
        help="anneal to p(z|x) by T temperatures; calibrate on simulated data",
    )
    long.add_argument(
        "--ais-limit",
        type=positive,
        default=100,
        metavar="N",
        help="the first N examples only (100)",
    )
    long.add_argument(
        "--ais-start",
        default="prior",
        choices=("prior", "guide"),
        help="where annealing starts (prior)",
    )
    long.add_argument("--chains", type=positive, default=16, help="annealing chains per datum (16)")
    long.add_argument(
        "--gap",
        action="store_true",
        help="split log p(x) − ELBO into the family's and the encoder's part",
    )
    long.add_argument(
        "--gap-limit",
        type=positive,
        default=100,
        metavar="N",
        help="on N examples, and N of train (100)",
    )
    long.add_argument(
        "--gap-steps",
        type=positive,
        default=1000,
        metavar="S",
        help="steps of Adam for the free q (1000)",
    )
    long.add_argument(
        "--calibration",
        action="store_true",
        help="rank the truth among the guide's draws on simulated data",
    )
    long.add_argument(
        "--simulations", type=positive, default=1000, metavar="S", help="how many of them (1000)"
    )
    new.add_argument(
        "--checkpoint", default="best", choices=("best", "last"), help="which weights (best)"
    )
    new.add_argument(
        "--compile",
        default="auto",
        choices=("auto", "on", "off"),
        help="record and compile the estimators' inner loops; auto does where it saves more than it costs (auto)",
    )
    new.add_argument(
        "--device", default="auto", choices=("auto", "cpu", "cuda"), help="where to compute (auto)"
    )
    new.add_argument("--seed", type=int, default=0, help="of the importance samples (0)")
    new.add_argument(
        "--export",
        type=exports,
        default=[],
        metavar="WHAT[,…]",
        help=f"also write {', '.join(EXPORTS)} as .npz",
    )
    new.add_argument(
        "--impute",
        metavar="MASK",
        help="hold dimensions back, fill them in from the others, report the error: a .npy of booleans (True: missing) of the "
        "shape of one datum or (N, shape); or random:SHARE, left, right, top, bottom",
    )
    new.add_argument(
        "--impute-particles",
        type=positive,
        default=1000,
        help="importance samples per datum for that (1000)",
    )
    new.add_argument(
        "--trust",
        action="store_true",
        help="run components from outside this project that a run names",
    )
    return new


FULL_TEMPERATURES = 1000
EXPORTS = ("latents", "scores", "reconstructions", "samples")


def exports(text: str) -> list[str]:
    """Some of EXPORTS, separated by commas."""
    for word in text.split(","):
        if word not in EXPORTS:
            raise argparse.ArgumentTypeError(f"{word!r}: choose from {', '.join(EXPORTS)}")
    return text.split(",")


def positive(text: str) -> int:
    """A whole number, at least 1."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, at least 1")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Evaluate every run; 0 if all were, 2 if one was refused, 1 if files could not be written."""
    options = parser().parse_intermixed_args(arguments)  # data.root=DIR may come after --options
    options.runs, options.places = runs_and_places(options.runs)
    spin_briefly()
    if launch.count() == 1:
        return evaluate_all(options)
    from parallel.group import joined

    try:
        with joined(options.device):
            return evaluate_all(options)
    except TrainingError as error:
        return complain(str(error), 1)


def runs_and_places(given: list[str]) -> tuple[list[str], dict[str, str]]:
    """Run directories, and by the name of the option of `data`, the places that were given among them."""
    from experiment.directory import PLACES

    options = [word.removeprefix("data.") for word in given if re.match(r"data\.\w+=", word)]
    places = dict(option.split("=", 1) for option in options)
    for name in places:
        if name not in PLACES:
            parser().error(
                f"data.{name}: only where the data are can be said anew: data.{', data.'.join(PLACES)}"
            )
    runs = [word for word in given if not re.match(r"data\.\w+=", word)]
    if not runs:
        parser().error("no run directory was given")
    return runs, places


def evaluate_all(options: argparse.Namespace) -> int:
    """One run after another; 2 if one was refused."""
    from experiment.directory import RunDirectory

    status = 0
    for path in options.runs:
        try:
            if launch.count() == 1:
                RunDirectory(
                    path
                ).read_config()  # a wrong directory is refused before torch's models are built
            evaluate_one(path, options)
        except RequestError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 2
        except (
            OSError
        ) as error:  # the disk is full, or may not be written: the table is printed already
            print(f"error: {error.filename or path}: {error.strerror or error}", file=sys.stderr)
            status = max(status, 1)
    return status


def evaluate_one(path: str, options: argparse.Namespace) -> None:
    """Measures one run, and raises RequestError for a pair that cannot be measured."""
    from evidence import UnsupportedPair

    try:
        measure_one(path, options)
    except UnsupportedPair as error:
        raise RequestError(str(error)) from error


def measure_one(path: str, options: argparse.Namespace) -> None:
    """Measures one run, prints its table and writes its files; of several processes, the first does."""
    from evaluation.imputation import hold_back
    from evaluation.measure import evaluate
    from experiment import load_run
    from parallel import group

    run = group.agreed(
        lambda: load_run(
            path, options.checkpoint, options.device, options.trust, places=options.places
        )
    )
    missing = held_back(run, options) if options.impute else None
    evaluation = evaluate(run, wanted(options))
    if group.is_first():
        show(run, evaluation, options.export)
    if missing is not None:
        imputed = hold_back(
            run, options.split, options.impute, missing, options.impute_particles, options.seed
        )
        if group.is_first():
            show_imputed(run, imputed)


def show(run: "Run", evaluation: "Evaluation", exports: list[str]) -> None:
    """Print the table, write files, figures and page."""
    from evaluation.export import export
    from experiment.directory import of_split
    from report.figures import draw_all
    from report.page.run import write_report
    from report.table import evaluation_table

    print(evaluation_table(evaluation))
    evaluation.save(run.path)
    for what in exports:
        print(f"wrote {export(run, evaluation, what)}")
    figures = draw_all(run, evaluation)
    print(
        f"wrote {run.path / of_split('evaluation.json', evaluation.split)} and .npz; figures: {', '.join(figures)}"
    )
    print(f"wrote {write_report(run, evaluation, figures)}\n")


def held_back(run: "Run", options: argparse.Namespace) -> "Tensor":
    """Where the data are taken for missing; refused here, before anything is measured."""
    from evaluation.masks import missing_mask
    from evidence.imputation import FILLINGS

    if options.impute_particles <= FILLINGS:
        raise RequestError(
            f"--impute-particles {options.impute_particles}: must be at least {FILLINGS + 1}"
        )
    there = len(run.data(options.split))
    return missing_mask(
        options.impute, run.dataset.shape, min(options.limit or there, there), options.seed
    )


def show_imputed(run: "Run", imputed: "Imputed") -> None:
    """Print how far off that is, and write it."""
    from experiment.directory import of_split
    from report.figures import draw_imputations

    print(imputed.table())
    imputed.save()
    draw_imputations(imputed)
    names = [of_split(name, imputed.split) for name in ("imputations.npz", "figures")]
    print(f"wrote {run.path / names[0]} and .json, {names[1]}/imputations.png\n")


def wanted(options: argparse.Namespace) -> "Wanted":
    """What the options ask for."""
    from evaluation.gap import Fit
    from evaluation.measure import Wanted
    from evidence import Annealing

    temperatures = options.ais or (FULL_TEMPERATURES if options.full else None)
    return Wanted(
        split=options.split,
        compile=options.compile,
        particles=options.particles,
        elbo_particles=options.elbo_particles,
        limit=options.limit,
        seed=options.seed,
        annealing=Annealing(temperatures, options.chains, start=options.ais_start)
        if temperatures
        else None,
        annealed=options.ais_limit,
        gap=options.gap_limit if options.gap or options.full else 0,
        fit=Fit(steps=options.gap_steps),
        simulations=options.simulations if options.calibration or options.full else 0,
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
