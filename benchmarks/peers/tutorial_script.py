"""A whole training as Pyro's tutorial has it, as a script.

python -m benchmarks.peers.tutorial_script IMAGES.npy EPOCHS
"""

import sys

import numpy as np
import torch

from benchmarks.networks import PIXELS, TUTORIAL
from benchmarks.peers.pyro_tutorial import vae_and_svi
from benchmarks.workload import Batches, by_hand

BATCH = 128


def main(images: str, epochs: int) -> None:
    """Trains on four fifths, prints the loss of each epoch, and the test loss at the end."""
    grey = torch.from_numpy(np.load(images)).view(-1, PIXELS)
    train, test = grey[: len(grey) * 8 // 10], grey[len(grey) * 9 // 10 :]
    _, svi = vae_and_svi(TUTORIAL, Batches(BATCH))
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(train)).split(BATCH)
        loss = sum(svi.step(by_hand(train[batch])) for batch in order)
        print(f"epoch {epoch}: ELBO {-loss / len(train):.2f}", flush=True)
    print(f"test ELBO {-svi.evaluate_loss(by_hand(test)) / len(test):.2f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
