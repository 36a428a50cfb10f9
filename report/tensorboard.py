"""Training as TensorBoard shows it, live: train.py train.tensorboard=true writes what it reads."""

from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from data import Dataset
from evidence.batch import Batch
from evidence.noise import forked
from experiment.files import make_folder
from experiment.predictions import generate, reconstruct
from experiment.request import Request
from inference.training import Training
from report.figures.mosaic import is_picture, mosaic

# How often in a training pictures are drawn at most; they are always drawn after the first epoch.
PICTURES = 20
COLUMNS = 8
BEST = "hparams/best_elbo"


class TensorBoard:
    """An observer of training that writes events into <run_dir>/tensorboard after every epoch.

    It draws from a generator of its own. A run that continues hides from TensorBoard what a killed
    one wrote beyond its checkpoint (`purge_step`).
    """

    def __init__(self, request: Request) -> None:
        self.request, self.folder = request, Path(request.run_dir) / "tensorboard"
        self.writer: SummaryWriter | None = None

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.writer is not None:
            self.writer.close()

    @torch.no_grad()
    def __call__(self, training: Training, data: Dataset) -> None:
        if self.writer is None:  # now the run directory belongs to this process
            self.writer = self._open(training.epoch)
        self._scalars(self.writer, training)
        epochs = self.request.train.epochs
        if is_picture(data.shape) and (
            training.epoch == 1 or training.epoch % max(1, epochs // PICTURES) == 0
        ):
            self._pictures(self.writer, training, data)
        self.writer.flush()

    def _open(self, epoch: int) -> SummaryWriter:
        goes_on = self.folder.exists()
        writer = SummaryWriter(str(make_folder(self.folder)), purge_step=epoch if goes_on else None)
        for summary in hparams(self._options(), {BEST: 0.0}):
            writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]
        return writer

    def _options(self) -> dict[str, int | float | str]:
        """Returns the choices by axis, and every option that makes the run what it is."""
        options: dict[str, int | float | str] = dict(self.request.names)
        for name, value in self.request.identity.items():
            if not name.startswith("choices.") and "_target_" not in name:
                options[name] = value if isinstance(value, int | float | str) else str(value)
        return options

    def _scalars(self, writer: SummaryWriter, training: Training) -> None:
        for record in training.metrics[-2:]:  # this epoch's two: training and validation
            for name, value in record.items():
                if isinstance(value, float):
                    writer.add_scalar(f"{name}/{record['split']}", value, training.epoch)
        writer.add_scalar(
            "learning_rate", training.optimizer.adam.param_groups[0]["lr"], training.epoch
        )
        writer.add_scalar(BEST, training.best_elbo, training.epoch)

    def _pictures(self, writer: SummaryWriter, training: Training, data: Dataset) -> None:
        batch = Batch.of(data.valid[:COLUMNS])
        with forked(next(training.model.parameters()).device, seed=0):
            means = reconstruct(training.model, training.guide, batch)
            rows = {
                "reconstructions": torch.cat([batch.x, means]),
                "samples": generate(training.model, data, 4 * COLUMNS),
            }
        for name, pictures in rows.items():
            grid = mosaic(pictures, len(pictures) // batch.size, batch.size)
            image, layout = np.nan_to_num(grid, nan=0.5), "HW" if grid.ndim == 2 else "HWC"
            writer.add_image(name, image, training.epoch, dataformats=layout)
