"""Time of importance samples, annealing, chains and brackets, beside hand-written torch.

python -m benchmarks.evidence

The unit is one decoder row: a particle of IWAE, a proposal, or one leapfrog of one chain. Of a
whole bracket it is one datum.
"""

import itertools
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.command import add_case, add_clock, add_device, parser
from benchmarks.figures import Record, report
from benchmarks.networks import DEEPER
from benchmarks.peers import torch_evidence
from benchmarks.peers.ours import pair
from benchmarks.timing import Clock, Run, clock, interleaved, once_a_round, timings
from benchmarks.workload import Batches
from evidence import Annealing, Coupling, bracket, iwae
from evidence.annealing import Path, transition
from evidence.joint import Joint
from evidence.kernel import PROPOSALS, Kernel
from evidence.recording import Calls, recorded
from guides.amortized import Amortized
from models.generative import Generative

DATA, PARTICLES = 53, 500
CHAINS, ANNEALED, LEAPFROGS = 16, 80, 10
# Chains start and end alike in every call: they run for `burn_in` steps, or until all have met.
COUPLED, BRACKETED, COUPLING = 50, 10, Coupling(lag=20, burn_in=20)
PLAN = Annealing(temperatures=20, chains=4, leapfrogs=10, start="guide")
REFERENCE = "this project, compiled"
Call = Callable[[], object]


def importance(device: str) -> dict[str, Call]:
    """Makes IWAE of 53 data, whose particles stream by in chunks of 25 however many they are."""
    model, guide, x = _workload(device, DATA)
    ours = partial(iwae, model, guide, x, PARTICLES)
    by_hand = partial(torch_evidence.iwae, guide.posterior, model.decoder, x, PARTICLES, at_once=25)
    return {
        REFERENCE: partial(_within, Calls(), ours),
        "this project, eager": ours,
        "torch by hand": by_hand,
        "matrix products alone": _forward(model.decoder, 25 * DATA, PARTICLES // 25),
    }


def annealing(device: str) -> dict[str, Call]:
    """Makes one transition of 16 chains for each of 80 data."""
    model, guide, x = _workload(device, ANNEALED)
    path = Path(Joint(model, guide, (x,)), "prior")
    start = path.at(path.draw(CHAINS))
    step = torch.full((CHAINS * ANNEALED,), 0.05, device=x.device)
    z = start.u.unflatten(0, (CHAINS, ANNEALED))
    ours = torch.no_grad()(partial(transition, path, start, 0.5, step.double(), LEAPFROGS))
    by_hand = partial(
        torch_evidence.transition, model.decoder, x, z, 0.5, step.view(CHAINS, ANNEALED), LEAPFROGS
    )
    products = partial(_there_and_back, model.decoder, len(start.u))
    return {
        REFERENCE: partial(_within, Calls(), ours),
        "this project, eager": ours,
        "torch by hand": by_hand,
        "matrix products alone, float32": products(torch.float32),
        "matrix products alone, bfloat16": products(torch.bfloat16),
    }


def chains(device: str) -> dict[str, Call]:
    """Makes one step of two coupled chains for each of 50 data."""
    model, guide, x = _workload(device, COUPLED)
    kernel = Kernel(Joint(model, guide, (x,)), COUPLING.leapfrogs)
    one, other = kernel.starts()
    ours = torch.no_grad()(partial(kernel.coupled, one, other))
    return {REFERENCE: partial(_within, Calls(), ours), "this project, eager": ours}


def both_sides(device: str) -> dict[str, Call]:
    """Makes the bracket of 10 data, from the same noise at every call."""
    model, guide, x = _workload(device, BRACKETED)

    def ours() -> object:
        torch.manual_seed(0)
        return bracket(model, guide, x, PLAN, COUPLING)

    return {REFERENCE: partial(_within, Calls(), ours), "this project, eager": ours}


# What is timed, and the decoder rows of one call of it.
CASES: dict[str, tuple[Callable[[str], dict[str, Call]], int]] = {
    f"IWAE-{PARTICLES}": (importance, DATA * PARTICLES),
    f"annealing, {LEAPFROGS} leapfrogs": (annealing, CHAINS * ANNEALED * LEAPFROGS),
    f"coupled chains, {COUPLING.leapfrogs} leapfrogs": (
        chains,
        COUPLED * (PROPOSALS + 2 * (COUPLING.leapfrogs + 3)),
    ),
    f"bracket, T = {PLAN.temperatures}, a row a datum": (both_sides, BRACKETED),
}


def _workload(device: str, count: int) -> tuple[Generative, Amortized, Tensor]:
    torch.manual_seed(0)
    model, guide = pair(DEEPER)
    return model.to(device), guide.to(device), Batches(count, device=device).ready()[0]


def _repeat(call: Call) -> Run:
    def run(steps: int) -> None:
        for _ in range(steps):
            call()

    return run


def _within(calls: Calls, call: Call) -> None:
    """Calls with what has been recorded in `calls`, and raises if anything did not compile."""
    with recorded(into=calls):
        call()
    if calls.why_eager is not None:
        raise RuntimeError(f"not compiled: {calls.why_eager}")


def _weights(decoder: nn.Module) -> list[Tensor]:
    return [module.weight.detach() for module in decoder.modules() if isinstance(module, nn.Linear)]


def _forward(decoder: nn.Module, count: int, times: int) -> Call:
    products = []
    for w in _weights(decoder):
        x, y = torch.randn(count, w.shape[1]).to(w), torch.empty(count, w.shape[0]).to(w)
        products.append((x, w.T, y))
    return partial(_multiply, products * times)


def _there_and_back(decoder: nn.Module, count: int, dtype: torch.dtype) -> Call:
    products = []
    for w in _weights(decoder):
        w = w.to(dtype)
        x, y = torch.randn(count, w.shape[1]).to(w), torch.randn(count, w.shape[0]).to(w)
        products += [(x, w.T, torch.empty_like(y)), (y, w, torch.empty_like(x))]
    return partial(_multiply, list(itertools.chain(*itertools.repeat(products, LEAPFROGS))))


def _multiply(products: list[tuple[Tensor, Tensor, Tensor]]) -> None:
    for left, right, out in products:
        torch.mm(left, right, out=out)


def measure(case: str, device: str, rounds: int, clock: Clock) -> list[Record]:
    """Measures all contenders on one case, in milliseconds a call and microseconds a row."""
    make, decoded = CASES[case]
    calls = make(device)
    if make is both_sides:  # a call takes seconds, and is timed by itself
        times = once_a_round(calls, rounds, clock)
    else:
        runs = {name: _repeat(call) for name, call in calls.items()}
        times = interleaved(runs, rounds, clock)
    what = {"case": case, "network": str(DEEPER)}
    return [what | vars(t) | {"us_a_row": t.ms * 1e3 / decoded} for t in timings(times, REFERENCE)]


def main(arguments: list[str] | None = None) -> None:
    """Prints microseconds a decoder row of every contender, a table for each case."""
    options = parser(__doc__, rounds=7)
    add_device(options)
    add_case(options, CASES)
    add_clock(options)
    given = options.parse_args(arguments)
    chosen = clock(given.busy)
    columns = {"µs a row": "{us_a_row:.2f}", "time, of this project's": "{ratio:.2f} ×"}
    tables = (
        (
            {f"{case}, {DEEPER}": "{peer}"} | columns,
            measure(case, given.device, given.rounds, chosen),
        )
        for case in given.case
    )
    report(tables, given.device, given.json)


if __name__ == "__main__":
    main()
