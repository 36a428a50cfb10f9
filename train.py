"""Fit p_θ and q_φ on one data set: python train.py [axis=choice …] [option=value …]."""

import sys

import hydra
from omegaconf import DictConfig

from configs.cli import job, plain, run_command


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
@job
def main(config: DictConfig) -> None:
    """Check the request, then train."""
    request = plain(config)
    import torch  # this and Pyro take seconds to import: only once the request is checked

    from experiment.training import train

    torch.set_flush_denormal(
        True
    )  # Adam's moments of pixels that are hardly ever on would become denormal, which is slow
    if not request["train"]["tensorboard"]:
        train(request)
        return
    from report.tensorboard import TensorBoard

    with TensorBoard(request) as board:
        train(request, board)


if __name__ == "__main__":
    sys.exit(run_command(main))
