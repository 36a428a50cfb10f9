"""Fit p_θ and q_φ on one data set: python train.py [axis=choice …] [option=value …]."""

from functools import partial

from omegaconf import DictConfig

from configs.cli import job, requested, run_command
from configs.process import run_script
from configs.sweep import Trained, Watch


@job
def main(config: DictConfig) -> Trained:
    """Checks the request, then trains."""
    request = requested(config)
    import torch  # torch and Pyro take seconds to import, so the request is checked first

    from configs.training import trained

    # Adam's moments of pixels that are hardly ever on would become denormal, which is slow.
    torch.set_flush_denormal(True)
    watch = Watch(request.run_dir, request.train.epochs)
    return watch.ended(trained(request, watch.epoch))


if __name__ == "__main__":
    run_script(partial(run_command, main))
