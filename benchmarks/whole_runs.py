"""Seconds of whole trainings, from the shell's prompt and back: train.py beside Pyro's loop.

python -m benchmarks.whole_runs [--epochs N] [--json FILE]

Both train 784-400-50 in batches of 128 on four fifths of scikit-learn's digits, enlarged to 28×28
and binarised anew for every batch. train.py measures both splits after every epoch, and writes
metrics, checkpoints and a run directory. The peer is a script as Pyro's tutorial writes it
(benchmarks/peers/tutorial_script.py).
"""

import functools
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.command import at_least, parser
from benchmarks.figures import Record, report
from benchmarks.networks import SIDE, TUTORIAL
from benchmarks.peers.tutorial_script import BATCH
from benchmarks.start_up import python
from benchmarks.timing import once_a_round, timings
from benchmarks.workload import grey

OURS = "train.py"


def ours(images: Path, epochs: int) -> None:
    """Trains by train.py, in a run directory that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        python(
            *("train.py", f"run_dir={folder}/run", "data=arrays", f"data.path={images}"),
            *("likelihood=bernoulli", f"train.epochs={epochs}", f"train.batch_size={BATCH}"),
            *(f"latent_dim={TUTORIAL.latent}", "network=mlp", "network.activation=softplus"),
            *(f"network.width={TUTORIAL.hidden[0]}", "network.layers=1"),
        )


def measure(epochs: int, rounds: int) -> list[Record]:
    """Measures both, on the same images."""
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.npy"
        np.save(images, grey().view(-1, SIDE, SIDE).numpy())
        script = ("-m", "benchmarks.peers.tutorial_script", str(images), str(epochs))
        runs = {
            OURS: functools.partial(ours, images, epochs),
            "Pyro, tutorial as a script": functools.partial(python, *script),
        }
        found = timings(once_a_round(runs, rounds), OURS)
    case = f"{epochs} epochs of the digits at batch {BATCH}"
    return [{"case": case} | vars(timing) | {"s": timing.ms / 1e3} for timing in found]


def main(arguments: list[str] | None = None) -> None:
    """Prints seconds of both, with few epochs and with many."""
    options = parser(__doc__, rounds=3)
    options.add_argument("--epochs", type=at_least(1), nargs="+", default=[20, 400])
    given = options.parse_args(arguments)
    columns = {"seconds": "{s:.1f}", "time, of train.py's": "{ratio:.2f} ×"}
    tables = (
        ({f"{epochs} epochs": "{peer}"} | columns, measure(epochs, given.rounds))
        for epochs in given.epochs
    )
    report(tables, "cpu", given.json)


if __name__ == "__main__":
    main()
