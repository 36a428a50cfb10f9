"""Fit p_θ and q_φ on one data set: python train.py [axis=choice …] [option=value …]."""

from functools import partial

from omegaconf import DictConfig

from configs.cli import job, requested, run_command
from configs.process import run_script


@job
def main(config: DictConfig) -> None:
    """Checks the request, then trains."""
    request = requested(config)
    import torch  # torch and Pyro take seconds to import, so the request is checked first

    from experiment.training import train_request

    # Adam's moments of pixels that are hardly ever on would become denormal, which is slow.
    torch.set_flush_denormal(True)
    if not request.train.tensorboard:
        train_request(request)
        return
    from report.tensorboard import TensorBoard

    with TensorBoard(request) as board:
        train_request(request, board)


if __name__ == "__main__":
    run_script(partial(run_command, main))
