"""Bracket log p(x) for finished runs: python evaluate.py RUN [RUN …]."""

from argparse import BooleanOptionalAction
from functools import partial

from configs.parser import Parser, add_choice, add_number, add_switch, folder, named, seed, some_of
from configs.process import complain, run_script, spin_briefly
from errors import RequestError, TrainingError
from evaluation.options import EXPORTS, FORMATS, Options, runs_and_places
from experiment.directory import RunDirectory
from parallel import launch

RUN = """a run directory that train.py finished; data.root=DIR among them says where its data are
now, if they were moved (so do data.path, data.labels, data.cache)"""
SPLIT = "the split to measure; those but test name their files: evaluation_train.json, …"
NEW = """measure data in no split: a file of the kind that the run was trained on, .npy, .npz, .csv,
an image or a folder of them; what is written has their name, new-<hash>, in its own"""
COMPILE = "record and compile the estimators' inner loops; auto does so where it saves time"
EXACT = """integrate log p(x), however long it takes, or never; without either, where the model
allows it and it takes no more than 5 minutes"""
AGAIN = "measure every stage anew, those too whose results the run keeps from before"
IMPUTE = """hold dimensions back, fill them in, report the error; MASK is random:SHARE, left, right,
top, bottom, or a .npy of booleans (True: missing) of the shape of one datum or (N, shape)"""


def parser() -> Parser:
    """Returns the parser; an option's help ends with its default in brackets."""
    new = Parser(
        description="Say where log p(x) is: the ELBO and its terms, IWAE, and the exact evidence "
        "where it can be computed. Print a table; write evaluation.json, evaluation.npz (per "
        "datum), figures/ and report.html into each run directory.",
        epilog="example: python evaluate.py runs/digits/* --particles 5000; "
        "everything: python evaluate.py RUN --full",
    )
    number, choice = partial(add_number, new), partial(add_choice, new)
    new.add_argument("runs", nargs="+", metavar="RUN", help=RUN)
    data = new.add_mutually_exclusive_group()
    add_choice(data, "--split", "test", ("train", "valid", "test"), SPLIT)
    data.add_argument("--new", type=named, metavar="FILE", help=NEW)
    labels = "a .npy of labels of --new, for a model that is given labels"
    new.add_argument("--new-labels", metavar="FILE", help=labels)
    number("--particles", 5000, "importance samples per datum for IWAE")
    number("--elbo-particles", 100, "draws of z per datum for the ELBO")
    number("--limit", None, "measure the first N examples of the split only", "N")
    new.add_argument("--exact", action=BooleanOptionalAction, help=EXACT)
    add_long_measurements(new)
    choice("--checkpoint", "best", ("best", "last"), "which weights to load")
    choice("--compile", "auto", ("auto", "on", "off"), COMPILE)
    choice("--device", "auto", ("auto", "cpu", "cuda"), "where to compute")
    add_switch(new, "--again", AGAIN)
    new.add_argument("--seed", type=seed, default=0, help="the seed of all draws (0)")
    words, some = partial(some_of, EXPORTS), f"also write {', '.join(EXPORTS)} as .npz"
    new.add_argument("--export", type=words, default=[], metavar="WHAT[,…]", help=some)
    formats, drawn = (
        partial(some_of, FORMATS),
        "also draw figures/ as pdf or svg; png is always drawn",
    )
    new.add_argument("--figures", type=formats, default=[], metavar="FORMAT[,…]", help=drawn)
    new.add_argument("--impute", metavar="MASK", help=IMPUTE)
    number("--impute-particles", 1000, "importance samples per datum for --impute")
    own = "run components of your own that lie in this folder, as train.py --config-dir does"
    new.add_argument("--config-dir", type=folder, metavar="DIR", help=own)
    add_switch(new, "--trust", "run components from outside this project, wherever they lie")
    return new


def add_long_measurements(to: Parser) -> None:
    """Adds the options for what takes longer than a minute or so."""
    group = to.add_argument_group("what takes longer, and says more")
    number, switch = partial(add_number, group), partial(add_switch, group)
    switch("--full", "measure all of it: --ais 1000 --gap --calibration")
    number("--ais", None, "anneal to p(z|x) by T temperatures, on simulated data too", "T")
    number("--ais-limit", 100, "anneal on the first N examples only", "N")
    add_choice(group, "--ais-start", "prior", ("prior", "guide"), "where annealing starts")
    number("--chains", 16, "annealing chains per datum")
    switch("--gap", "measure the family's and the encoder's part of log p(x) − ELBO")
    number("--gap-limit", 100, "measure the parts on N examples, and on N of train", "N")
    number("--gap-steps", 1000, "fit the free q by S steps of Adam", "S")
    switch("--calibration", "rank the truth among the guide's draws on simulated data")
    number("--simulations", 1000, "calibrate on S simulated data", "S")


def main(arguments: list[str] | None = None) -> int:
    """Evaluates every run; returns 0 if all were, 2 if one was refused, 1 if writing failed."""
    command = parser()
    given = vars(command.parse_intermixed_args(arguments))  # data.root=DIR may come after --options
    if given["new_labels"] and not given["new"]:
        command.error("--new-labels: has no meaning without --new")
    try:
        words, places = runs_and_places(given.pop("runs"))
    except RequestError as error:
        command.error(str(error))
    runs = list(dict.fromkeys(words))  # a run that is named twice is measured once
    if not (found := [run for run in runs if launch.count() > 1 or is_run(run)]):
        return 2
    spin_briefly()
    from evaluation.command import evaluate_all  # torch and Pyro take seconds to import
    from report.evaluated import Shown

    try:
        status = evaluate_all(Options(runs=found, places=places, **given), Shown)
        return status if found == runs else 2
    except TrainingError as error:
        return complain(str(error), 1)
    except KeyboardInterrupt:
        return complain("interrupted; the same command goes on from the stages that are done", 1)


def is_run(path: str) -> bool:
    """Returns whether `path` is a run directory, and complains if it is not; needs no torch."""
    try:
        RunDirectory(path).read_config()
    except RequestError as error:
        complain(str(error), 2)
        return False
    return True


if __name__ == "__main__":
    run_script(main)
