"""Time of a step of programs as Pyro's examples have them: Pyro's loop, and the same compiled.

python -m benchmarks.pyro_programs [--json FILE]
"""

import logging

import pyro
import torch
from pyro.infer import SVI
from pyro.optim import PyroOptim

from benchmarks.command import add_case, add_clock, parser
from benchmarks.figures import Record, report
from benchmarks.peers.pyro_programs import PROGRAMS
from benchmarks.timing import Clock, Run, clock, interleaved, timings
from evidence.training import CompiledELBO

REFERENCE = "CompiledELBO"


def loop(program: str, compiled: bool) -> Run:
    """Makes steps of Pyro's SVI with Pyro's own Adam, from its own store of parameters."""
    torch.manual_seed(0)
    made = PROGRAMS[program]()
    loss = CompiledELBO(made.loss, logging.error) if compiled else made.loss
    svi = SVI(made.model, made.guide, PyroOptim(torch.optim.Adam, {"lr": 1e-3}), loss)
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


def measure(program: str, rounds: int, chosen: Clock) -> list[Record]:
    """Measures both on one program, in milliseconds a step."""
    runs = {REFERENCE: loop(program, True), "Pyro's own ELBO": loop(program, False)}
    found = timings(interleaved(runs, rounds, chosen), REFERENCE)
    return [{"case": program} | vars(timing) for timing in found]


def main(arguments: list[str] | None = None) -> None:
    """Prints milliseconds a step (median, quartiles) with either loss, a table a program."""
    options = parser(__doc__, rounds=9)
    add_case(options, PROGRAMS)
    add_clock(options)
    given = options.parse_args(arguments)
    chosen = clock(given.busy)
    columns = {
        "ms a step": "{ms:.2f}",
        "quartiles": "{quartiles_ms[0]:.2f}–{quartiles_ms[1]:.2f}",
        "time, of CompiledELBO's": "{ratio:.2f} ×",
    }
    tables = (
        ({case: "{peer}"} | columns, measure(case, given.rounds, chosen)) for case in given.case
    )
    report(tables, "cpu", given.json)


if __name__ == "__main__":
    main()
