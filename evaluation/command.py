"""The command evaluate.py: measures runs one after the other."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Protocol

from errors import RequestError, is_out_of_memory, printable
from evaluation.imputation import Imputed, hold_back, imputation_stages
from evaluation.kept import Kept
from evaluation.local_fit import Fit
from evaluation.masks import Mask, missing_mask
from evaluation.measure import evaluate
from evaluation.options import Options
from evaluation.plan import SECONDS_OF_FIGURES
from evaluation.result import Evaluation
from evaluation.stages import Stages
from evaluation.waiting import Stage, Waiting
from evaluation.wanted import Wanted
from evidence import Annealing
from evidence.imputation import FILLINGS
from evidence.unsupported import UnsupportedPair
from experiment import Run, load_run
from experiment.components import importable
from experiment.directory import RunDirectory, in_a_shell
from parallel import group


class Show(Protocol):
    """Shows what was measured on one run."""

    def tell(self, evaluation: Evaluation) -> None:
        """Prints what is known so far, and was not printed yet."""

    def found_kept(self, stages: Sequence[str]) -> None:
        """Says which stages were not measured, as their results were kept."""

    def finish(self, found: Evaluation | Imputed, options: Options) -> None:
        """Prints what is left to be said, and writes files and figures."""

    def break_off(self, evaluation: Evaluation) -> None:
        """Prints and writes what is known of an evaluation that was interrupted."""


def evaluate_all(options: Options, show: Callable[[], Show]) -> int:
    """Evaluates one run after the other; each is shown by a new `show()`.

    Returns:
        The exit status: 0 if all runs were evaluated, 2 if one was refused, 1 if files could not be
        written, or a number is NaN.
    """
    with group.joined(options.device):
        statuses = []
        for number, path in enumerate(options.runs, start=1):
            which = f"{number} of {len(options.runs)}" if len(options.runs) > 1 else ""
            if which:
                print(printable(f"{which}: {path}"), flush=True)
            statuses.append(_status(path, options, show(), which))
        if len(options.runs) > 1 and not any(statuses) and options.new is None:
            runs = in_a_shell(options.runs)
            print(printable(f"next: python compare.py {runs} --out comparison.html"))
        return max(statuses)


def _status(path: str, options: Options, show: Show, which: str) -> int:
    try:
        evaluate_one(path, options, show, which)
    except (RequestError, UnsupportedPair) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ArithmeticError as error:  # a number that is none
        print(printable(f"error: {path}: {error}"), file=sys.stderr)
        return 1
    except OSError as error:  # the disk is full, say; what was measured has been printed
        what = f"error: {error.filename or path}: {error.strerror or error}"
        print(printable(what), file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        what = f"error: {path}: out of memory; measure fewer data (--limit) or by fewer particles"
        print(printable(what), file=sys.stderr)
        return 1
    return 0


def evaluate_one(path: str, options: Options, show: Show, which: str = "") -> None:
    """Measures one run; of several processes that do so, the first one shows what was found.

    `which` says which of several runs it is.

    Raises:
        RequestError: The run cannot be measured, or another command is measuring it.
    """
    with ExitStack() as alone:
        group.from_first(lambda: alone.enter_context(RunDirectory(path).measuring()))
        waiting = alone.enter_context(Waiting(which))
        _measured(path, options, show, waiting)


def _measured(path: str, options: Options, show: Show, waiting: Waiting) -> None:
    run, options = group.agreed(lambda: opened(path, options))
    mask = held_back(run, options) if options.impute else None
    then = [Stage("figures", "figures and report", seconds=SECONDS_OF_FIGURES)]
    if mask is not None:
        then += imputation_stages(mask, options.impute_particles)
    stages = Stages(waiting, Kept(run, options.split, options.again), then)
    known: list[Evaluation] = []

    def tell(evaluation: Evaluation) -> None:
        known[:] = [evaluation]
        if group.is_first():
            show.tell(evaluation)

    try:
        evaluation = evaluate(run, wanted(options), stages, tell)
    except KeyboardInterrupt:
        if known and group.is_first():
            show.break_off(known[0])
        raise
    if group.is_first():
        show.found_kept(stages.found)
        with waiting.entered_stage("figures"):
            show.finish(evaluation, options)
    if mask is not None:
        particles = options.impute_particles
        imputed = hold_back(run, options.split, mask, particles, options.seed, stages)
        if group.is_first():
            show.finish(imputed, options)


def opened(path: str, options: Options) -> tuple[Run, Options]:
    """Returns a run and the options for it, whose split are the new data if there are some.

    Raises:
        RequestError: there is no such run, or the data are not there or none that it could have.
    """
    if options.config_dir:
        importable(options.config_dir)
    trust = options.trust or options.config_dir or False
    run = load_run(path, options.checkpoint, options.device, trust, places=options.places)
    if options.new is None:
        return run, options
    try:
        run, name = run.with_new(options.new, options.new_labels)
    except RequestError as error:
        joint = "-" if str(error).startswith("labels") else " "
        raise RequestError(f"--new{joint}{error}") from error
    return run, replace(options, split=name)


def held_back(run: Run, options: Options) -> Mask:
    """Returns which data are taken for missing.

    Raises:
        RequestError: --impute is no mask of these data, or there are too few particles.
    """
    if options.impute_particles <= FILLINGS:
        raise RequestError(
            f"--impute-particles {options.impute_particles}: must be at least {FILLINGS + 1}"
        )
    name, there = str(options.impute), len(run.data(options.split))
    count = min(options.limit or there, there)
    return Mask(name, missing_mask(name, run.dataset.shape, count, options.seed))


def wanted(options: Options) -> Wanted:
    """Returns what the options ask for."""
    plan = None
    if options.temperatures is not None:
        plan = Annealing(options.temperatures, options.chains, start=options.ais_start)
    return Wanted(
        split=options.split,
        compile=options.compile,
        exact="auto" if options.exact is None else "on" if options.exact else "off",
        particles=options.particles,
        elbo_particles=options.elbo_particles,
        limit=options.limit,
        seed=options.seed,
        annealing=plan,
        annealed=options.ais_limit,
        gap=options.gap_limit if options.gap or options.full else 0,
        fit=Fit(steps=options.gap_steps),
        simulations=options.simulations if options.calibration or options.full else 0,
    )
