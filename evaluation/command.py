"""The command evaluate.py: measures runs one after the other."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from errors import RequestError, is_out_of_memory, printable
from evaluation.imputation import Imputed, hold_back
from evaluation.local_fit import Fit
from evaluation.masks import Mask, missing_mask
from evaluation.measure import evaluate
from evaluation.wanted import Wanted
from evaluation.options import Options
from evaluation.result import Evaluation
from evidence import Annealing
from evidence.imputation import FILLINGS
from evidence.unsupported import UnsupportedPair
from experiment import Run, load_run
from experiment.components import importable
from experiment.directory import RunDirectory
from parallel import group

# Prints a result, and writes its files and figures.
Show = Callable[[Evaluation | Imputed, Options], None]


def evaluate_all(options: Options, show: Show) -> int:
    """Evaluates one run after the other and hands every result to `show`.

    Returns:
        The exit status: 0 if all runs were evaluated, 2 if one was refused, 1 if files could not be
        written.
    """
    with group.joined(options.device):
        return max(_status(path, options, show) for path in options.runs)


def _status(path: str, options: Options, show: Show) -> int:
    try:
        evaluate_one(path, options, show)
    except (RequestError, UnsupportedPair) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
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


def evaluate_one(path: str, options: Options, show: Show) -> None:
    """Measures one run; of several processes that do so, the first one shows what was found.

    Raises:
        RequestError: The run cannot be measured, or another command is measuring it.
    """
    with ExitStack() as alone:
        group.from_first(lambda: alone.enter_context(RunDirectory(path).measuring()))
        _measured(path, options, show)


def _measured(path: str, options: Options, show: Show) -> None:
    run, options = group.agreed(lambda: opened(path, options))
    mask = held_back(run, options) if options.impute else None
    evaluation = evaluate(run, wanted(options))
    if group.is_first():
        show(evaluation, options)
    if mask is not None:
        imputed = hold_back(run, options.split, mask, options.impute_particles, options.seed)
        if group.is_first():
            show(imputed, options)


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
