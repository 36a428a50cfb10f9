"""A request trained and watched, whether it comes from the command line or from Python."""

from data import Dataset
from experiment.directory import RunDirectory
from experiment.request import Request
from experiment.training import train_request
from inference.loop import Observer
from inference.training import Training


def trained(request: Request, *observers: Observer) -> RunDirectory:
    """Trains what `request` asks for; `observers` look on, and TensorBoard's if asked for."""

    def every(training: Training, data: Dataset) -> None:
        for observe in observers:
            observe(training, data)

    if not request.train.tensorboard:
        return train_request(request, every)
    from report.tensorboard import TensorBoard

    observers = (*observers, board := TensorBoard(request))
    with board:
        return train_request(request, every)
