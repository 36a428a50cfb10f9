"""Time of importance samples and of annealing steps, this project beside hand-written torch: python -m benchmarks.evidence.

The unit is one decoder row: a particle of IWAE, or one leapfrog of one chain.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.command import add_case, add_clock, add_device, parser
from benchmarks.networks import DEEPER
from benchmarks.peers import torch_evidence
from benchmarks.peers.ours import pair
from benchmarks.timing import Clock, Run, clock, environment, interleaved, rows, table, write
from benchmarks.workload import Batches
from evidence import iwae
from evidence.annealing import Path, transition
from evidence.joint import Joint
from evidence.recording import Calls, recorded

DATA, PARTICLES = 53, 500
CHAINS, ANNEALED, LEAPFROGS = 16, 80, 10
REFERENCE = "this project, compiled"


def importance(device: str) -> dict[str, Run]:
    """IWAE of 53 data, whose particles stream by in chunks of 25 however many there are; a step is one call."""
    model, guide, x = _workload(device, DATA)
    calls = Calls()
    by_hand = partial(torch_evidence.iwae, guide.posterior, model.decoder, x, PARTICLES, at_once=25)
    return {
        REFERENCE: _repeat(lambda: _within(calls, lambda: iwae(model, guide, x, PARTICLES))),
        "this project, eager": _repeat(lambda: iwae(model, guide, x, PARTICLES)),
        "torch by hand": _repeat(by_hand),
        "matrix products alone": _repeat(_forward(model.decoder, 25 * DATA, PARTICLES // 25)),
    }


def annealing(device: str) -> dict[str, Run]:
    """Transitions of 16 chains for each of 80 data; a step is one transition of all."""
    model, guide, x = _workload(device, ANNEALED)
    path, calls = Path(Joint(model, guide, (x,)), "prior"), Calls()
    start = path.at(path.draw(CHAINS))
    step = torch.full((CHAINS * ANNEALED,), 0.05, device=x.device)
    z = start.u.unflatten(0, (CHAINS, ANNEALED))
    ours = torch.no_grad()(partial(transition, path, start, 0.5, step.double(), LEAPFROGS))
    by_hand = partial(
        torch_evidence.transition, model.decoder, x, z, 0.5, step.view(CHAINS, ANNEALED), LEAPFROGS
    )
    return {
        REFERENCE: _repeat(lambda: _within(calls, ours)),
        "this project, eager": _repeat(ours),
        "torch by hand": _repeat(by_hand),
        "matrix products alone, float32": _repeat(
            _there_and_back(model.decoder, len(start.u), torch.float32)
        ),
        "matrix products alone, bfloat16": _repeat(
            _there_and_back(model.decoder, len(start.u), torch.bfloat16)
        ),
    }


CASES: dict[str, tuple[Callable[[str], dict[str, Run]], int]] = {
    f"IWAE-{PARTICLES}": (importance, DATA * PARTICLES),
    f"annealing, {LEAPFROGS} leapfrogs": (annealing, CHAINS * ANNEALED * LEAPFROGS),
}
"""What is timed, and the decoder rows of one step of it."""


def _workload(device: str, count: int) -> tuple[Any, Any, Tensor]:
    torch.manual_seed(0)
    model, guide = (module.to(device) for module in pair(DEEPER))
    return model, guide, Batches(count, device=device).ready()[0]


def _repeat(call: Callable[[], Any]) -> Run:
    def run(steps: int) -> None:
        for _ in range(steps):
            call()

    return run


def _within(calls: Calls, call: Callable[[], Any]) -> None:
    """`call` with what has been recorded in `calls`; nothing is measured that did not compile."""
    with recorded(into=calls):
        call()
    if calls.why_eager is not None:
        raise RuntimeError(f"not compiled: {calls.why_eager}")


def _weights(decoder: nn.Module) -> list[Tensor]:
    return [module.weight.detach() for module in decoder.modules() if isinstance(module, nn.Linear)]


def _forward(decoder: nn.Module, count: int, times: int) -> Callable[[], None]:
    calls = [
        (torch.randn(count, w.shape[1]).to(w), w.T, torch.empty(count, w.shape[0]).to(w))
        for w in _weights(decoder)
    ]

    def run() -> None:
        for left, right, out in calls * times:
            torch.mm(left, right, out=out)

    return run


def _there_and_back(decoder: nn.Module, count: int, dtype: torch.dtype) -> Callable[[], None]:
    weights = [w.to(dtype) for w in _weights(decoder)]
    calls = []
    for w in weights:
        x, h = torch.randn(count, w.shape[1]).to(w), torch.randn(count, w.shape[0]).to(w)
        calls += [(x, w.T, torch.empty_like(h)), (h, w, torch.empty_like(x))]

    def run() -> None:
        for left, right, out in itertools.chain.from_iterable(itertools.repeat(calls, LEAPFROGS)):
            torch.mm(left, right, out=out)

    return run


def measure(case: str, device: str, rounds: int, clock: Clock) -> list[dict[str, Any]]:
    """All contenders on one case."""
    make, decoded = CASES[case]
    found = rows(
        interleaved(make(device), rounds, clock), REFERENCE, case=case, network=str(DEEPER)
    )
    return [record | {"us_a_row": record["ms"] * 1e3 / decoded} for record in found]


def main(arguments: list[str] | None = None) -> None:
    """Print microseconds a decoder row of every contender, a table for each case."""
    options = parser(__doc__, rounds=7)
    add_device(options)
    add_case(options, CASES)
    add_clock(options)
    given = options.parse_args(arguments)
    chosen = clock(given.busy)
    print(", ".join(f"{key} {value}" for key, value in environment(given.device).items()))
    records: list[dict[str, Any]] = []
    for case in given.case:
        found = measure(case, given.device, given.rounds, chosen)
        columns = {
            f"{case}, {DEEPER}": "{peer}",
            "µs a row": "{us_a_row:.2f}",
            "time, of this project's": "{ratio:.2f} ×",
        }
        print("\n" + table(found, columns), flush=True)
        records += found
        write(given.json, given.device, records)


if __name__ == "__main__":
    main()
