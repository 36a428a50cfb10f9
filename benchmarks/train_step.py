"""Time of one training step in milliseconds, this project beside its peers.

python -m benchmarks.train_step [--json FILE]
"""

import importlib.util
from collections.abc import Callable, Sequence

import torch

from benchmarks.command import add_case, add_clock, add_device, among, at_least, parser
from benchmarks.figures import Record, report
from benchmarks.networks import CONVOLUTIONAL, DEEPER, TUTORIAL, Network
from benchmarks.peers import matrix_products, ours, pyro_tutorial, torch_loop
from benchmarks.timing import Clock, Run, clock, interleaved, timings
from benchmarks.workload import Batches

Peer = Callable[[Network, Batches], Run]
CASES: dict[str, tuple[Network, Batches]] = {
    "784-400-50 batch 20": (TUTORIAL, Batches(20)),
    "784-400-50 batch 128": (TUTORIAL, Batches(128)),
    "784-400-50 batch 1024": (TUTORIAL, Batches(1024)),
    "784-400-50 batch 128, binarising": (TUTORIAL, Batches(128, binarise=True)),
    "784-200-200-50 batch 100, binarising": (DEEPER, Batches(100, binarise=True)),
    "conv-50 batch 128": (CONVOLUTIONAL, Batches(128)),
}
REFERENCE = "this project, compiled"


def contenders(device: str) -> dict[str, Peer]:
    """Returns everyone who can run here."""
    found: dict[str, Peer] = {
        REFERENCE: ours.compiled,
        "this project, eager": ours.eager,
        "Pyro, tutorial": pyro_tutorial.svi,
        "Pyro, JitTrace_ELBO": pyro_tutorial.jit,
        "torch by hand": torch_loop.plain,
        "torch by hand, fused Adam": torch_loop.fused,
        "torch by hand, torch.compile": torch_loop.compiled,
        "matrix products alone": matrix_products.products,
    }
    if device == "cuda":
        found["torch by hand, a CUDA graph"] = torch_loop.captured
    if device == "cpu" and importlib.util.find_spec("numpyro"):
        found["NumPyro, jitted"] = numpyro
    return found


def numpyro(network: Network, batches: Batches) -> Run:
    """Makes NumPyro's loop.

    JAX counts its threads when it is imported, so this happens only when NumPyro takes part.
    """
    from benchmarks.peers.numpyro_loop import Loop

    return Loop(network, batches)


def measure(
    case: str, device: str, rounds: int, peers: Sequence[str], clock: Clock
) -> list[Record]:
    """Measures the reference and `peers` on one case, in milliseconds a step."""
    network, batches = CASES[case]
    batches = Batches(batches.size, batches.binarise, device)
    torch.manual_seed(0)
    runs = {
        name: make(network, batches)
        for name, make in contenders(device).items()
        if name in peers or name == REFERENCE
    }
    what = {
        "case": case,
        "network": str(network),
        "batch": batches.size,
        "binarise": batches.binarise,
    }
    return [what | vars(t) for t in timings(interleaved(runs, rounds, clock), REFERENCE)]


def main(arguments: list[str] | None = None) -> None:
    """Prints milliseconds a step (median, quartiles) of every contender, a table for each case."""
    options = parser(__doc__, rounds=15)
    add_device(options)
    threads = torch.get_num_threads()
    options.add_argument("--threads", type=at_least(1), default=threads, help="of torch")
    add_case(options, CASES)
    names = contenders("cpu") | contenders("cuda")
    peers = f"only peers that contain this, beside this project; {'; '.join(names)}"
    options.add_argument("--peer", type=among(names), default="", help=peers)
    add_clock(options)
    given = options.parse_args(arguments)
    if not set(given.peer) & set(contenders(given.device)):
        options.error(f"--peer: none of {'; '.join(given.peer)} runs with --device {given.device}")
    torch.set_num_threads(given.threads)
    chosen = clock(given.busy)
    columns = {
        "ms a step": "{ms:.2f}",
        "quartiles": "{quartiles_ms[0]:.2f}–{quartiles_ms[1]:.2f}",
        "time, of this project's": "{ratio:.2f} ×",
    }
    tables = (
        ({case: "{peer}"} | columns, measure(case, given.device, given.rounds, given.peer, chosen))
        for case in given.case
    )
    report(tables, given.device, given.json)


if __name__ == "__main__":
    main()
