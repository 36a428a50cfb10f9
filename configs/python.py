"""The command line's words, from Python."""

from configs.compose import request_from
from experiment.load import Run, load_run
from experiment.training import train_request


def train(*words: str) -> Run:
    """Trains what the words of train.py's command line ask for, and returns the finished run.

    As on the command line, a run that is there already is continued, or loaded if it is done.

    Arguments:
        words: `axis=choice` and `option=value`, such as `"prior=vamp"`, `"train.epochs=20"`.

    Raises:
        RequestError: the request is wrong.
        TrainingError: the loss became NaN or infinite.
    """
    request = request_from(*words)
    train_request(request)
    return load_run(request.run_dir, device=request.device)
