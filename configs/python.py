"""The command line's words, from Python."""

from pathlib import Path

from configs.compose import request_from
from configs.optional import needs
from configs.training import trained
from experiment.load import Run, load_run


def train(*words: str, config_dir: str | Path | None = None) -> Run:
    """Trains what the words of train.py's command line ask for, and returns the finished run.

    As on the command line, a run that is there already is continued, or loaded if it is done.

    Arguments:
        words: `axis=choice` and `option=value`, such as `"prior=vamp"`, `"train.epochs=20"`.
        config_dir: a folder with choices of your own, as `--config-dir` names (docs/extending.md).

    Returns:
        The run, as `load_run` returns it.

    Raises:
        RequestError: the request is wrong.
        TrainingError: the loss became NaN or infinite.

    >>> run = train("network.width=8", "train.epochs=1", "data.limit=100", "run_dir=runs/small")
    data digits 8×8 in binary ...
    >>> run.epoch, len(run.data("train"))
    (1, 100)
    """
    request = request_from(*words, config_dir=config_dir)
    if request.train.tensorboard:
        needs("tensorboard", "train.tensorboard=true")
    trained(request)
    return load_run(request.run_dir, device=request.device, trust=True)
