"""Time of a step of programs as Pyro's examples have them: Pyro's loop, and the same compiled.

python -m benchmarks.pyro_programs [--small] [--json FILE]

They are as large as the examples, but for the regression on a subsample. With --small they have a
few units in each layer, so that a step is nothing but overhead.
"""

import logging

import pyro
import torch
from pyro.infer import SVI
from pyro.optim import PyroOptim

from benchmarks.command import add_case, add_clock, parser
from benchmarks.figures import Record, report
from benchmarks.peers.pyro_programs import AS_THEIRS, PROGRAMS
from benchmarks.timing import Clock, Run, clock, interleaved, timings
from evidence.training import CompiledELBO, FusedAdam

COMPILED = "CompiledELBO"
FUSED = "CompiledELBO and FusedAdam"
RATE = 1e-3


def loop(program: str, small: bool, *, compiled: bool, fused: bool = False) -> Run:
    """Makes steps of Pyro's SVI, from its own store of parameters."""
    torch.manual_seed(0)
    made = PROGRAMS[program](**({} if small else AS_THEIRS.get(program, {})))
    loss = CompiledELBO(made.loss, logging.error) if compiled else made.loss
    optimizer = (
        FusedAdam(made.modules, RATE) if fused else PyroOptim(torch.optim.Adam, {"lr": RATE})
    )
    svi = SVI(made.model, made.guide, optimizer, loss)
    store = None

    def run(steps: int) -> None:
        nonlocal store
        pyro.clear_param_store()
        if store is not None:
            pyro.get_param_store().set_state(store)
        for _ in range(steps):
            svi.step(*made.calls[0])
        store = pyro.get_param_store().get_state()

    return run


def measure(program: str, small: bool, rounds: int, chosen: Clock) -> list[Record]:
    """Measures the contenders on one program, in milliseconds a step."""
    runs = {
        COMPILED: loop(program, small, compiled=True),
        "Pyro's own ELBO": loop(program, small, compiled=False),
    }
    if PROGRAMS[program]().modules:  # a fused optimizer is told what it moves
        runs = {FUSED: loop(program, small, compiled=True, fused=True)} | runs
    found = timings(interleaved(runs, rounds, chosen), next(iter(runs)))
    return [{"case": program} | vars(timing) for timing in found]


def main(arguments: list[str] | None = None) -> None:
    """Prints milliseconds a step (median, quartiles) with either loss, a table a program."""
    options = parser(__doc__, rounds=9)
    add_case(options, PROGRAMS)
    add_clock(options)
    options.add_argument("--small", action="store_true", help="a few units in each layer")
    given = options.parse_args(arguments)
    chosen = clock(given.busy)
    columns = {
        "ms a step": "{ms:.2f}",
        "quartiles": "{quartiles_ms[0]:.2f}–{quartiles_ms[1]:.2f}",
        "time, of the first one's": "{ratio:.2f} ×",
    }
    tables = (
        ({case: "{peer}"} | columns, measure(case, given.small, given.rounds, chosen))
        for case in given.case
    )
    report(tables, "cpu", given.json)


if __name__ == "__main__":
    main()
