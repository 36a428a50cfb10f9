"""Time of one training step, this project beside its peers: python -m benchmarks.train_step [--json FILE]."""

import argparse
import importlib.util
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.peers import matrix_products, ours, pyro_tutorial, torch_loop
from benchmarks.timing import Clock, Run, add_clock, clock, environment, interleaved, rows, table, write
from benchmarks.workload import DEEPER, TUTORIAL, Batches, Network

Peer = Callable[[Network, Batches], Run]
CASES = {
    "784-400-50 batch 20": (TUTORIAL, Batches(20)),
    "784-400-50 batch 128": (TUTORIAL, Batches(128)),
    "784-400-50 batch 1024": (TUTORIAL, Batches(1024)),
    "784-400-50 batch 128, binarising": (TUTORIAL, Batches(128, binarise=True)),
    "784-200-200-50 batch 100, binarising": (DEEPER, Batches(100, binarise=True)),
}
REFERENCE = "this project, compiled"


def contenders(device: str) -> dict[str, Peer]:
    """Everyone who can run here."""
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
    if device == "cpu" and importlib.util.find_spec("numpyro"):
        from benchmarks.peers import numpyro_loop

        found["NumPyro, jitted epoch"] = numpyro_loop.svi
    return found


def measure(case: str, device: str, rounds: int, only: str, clock: Clock) -> list[dict[str, Any]]:
    """All contenders on one case."""
    network, batches = CASES[case]
    batches = Batches(batches.size, batches.binarise, device)
    torch.manual_seed(0)
    peers = {name: peer for name, peer in contenders(device).items() if only in name or name == REFERENCE}
    times = interleaved({name: peer(network, batches) for name, peer in peers.items()}, rounds, clock)
    return rows(times, REFERENCE, case=case, network=str(network), batch=batches.size, binarise=batches.binarise)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--case", default="", help=f"only cases that contain this; there are {'; '.join(CASES)}")
    parser.add_argument("--peer", default="", help="only peers that contain this")
    parser.add_argument("--json", help="write the figures here")
    add_clock(parser)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    chosen = clock(given.busy)
    print(", ".join(f"{key} {value}" for key, value in environment(given.device).items()))
    records: list[dict[str, Any]] = []
    for case in CASES:
        if given.case in case:
            records += measure(case, given.device, given.rounds, given.peer, chosen)
            columns = {case: "{peer}", "ms a step": "{ms:.2f}", "quartiles": "{quartiles_ms[0]:.2f}–{quartiles_ms[1]:.2f}"}
            columns["time, of this project's"] = "{ratio:.2f} ×"
            print("\n" + table([r for r in records if r["case"] == case], columns), flush=True)
            write(given.json, given.device, records)


if __name__ == "__main__":
    main()
