"""Training as TensorBoard shows it, live: python train.py train.tensorboard=true; tensorboard --logdir runs."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from data import Dataset
from experiment.directory import identity
from experiment.load import Run
from inference.training import Training
from report.figures.pictures import generate, is_picture, mosaic, reconstruct

PICTURES = 20
"""How often in a training, at most, pictures are drawn; after the first epoch in any case."""
COLUMNS = 8
BEST = "hparams/best_elbo"


class TensorBoard:
    """Called after every epoch: writes events into <run_dir>/tensorboard. Draws from a generator of its own.

    A run that continues hides from TensorBoard what a killed one wrote beyond the checkpoint (`purge_step`).
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config, self.folder = config, Path(config["run_dir"]) / "tensorboard"
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
        if self.writer is None:  # not before the run directory is this process's own
            self.writer = self._open(training.epoch)
        self._scalars(self.writer, training)
        epochs = self.config["train"]["epochs"]
        if is_picture(data.shape) and (
            training.epoch == 1 or training.epoch % max(1, epochs // PICTURES) == 0
        ):
            self._pictures(self.writer, training, data)
        self.writer.flush()

    def _open(self, epoch: int) -> SummaryWriter:
        writer = SummaryWriter(str(self.folder), purge_step=epoch if self.folder.exists() else None)
        options = {
            name: value if isinstance(value, int | float | str) else str(value)
            for name, value in self._options()
        }
        for summary in hparams(options, {BEST: 0.0}):
            writer._get_file_writer().add_summary(summary)
        return writer

    def _options(self) -> list[tuple[str, Any]]:
        chosen = [(axis, name) for axis, name in self.config["choices"].items()]
        return chosen + [
            (n, v)
            for n, v in identity(self.config).items()
            if not n.startswith("choices.") and "_target_" not in n
        ]

    def _scalars(self, writer: SummaryWriter, training: Training) -> None:
        for record in training.metrics[-2:]:  # this epoch's, of training and of validation
            for name, value in record.items():
                if isinstance(value, float):
                    writer.add_scalar(f"{name}/{record['split']}", value, training.epoch)
        writer.add_scalar(
            "learning_rate", training.optimizer.adam.param_groups[0]["lr"], training.epoch
        )
        writer.add_scalar(BEST, training.best_elbo, training.epoch)

    def _pictures(self, writer: SummaryWriter, training: Training, data: Dataset) -> None:
        batch, device = data.valid[:COLUMNS], next(training.model.parameters()).device
        run = Run(
            self.folder.parent,
            dict(self.config),
            training.model,
            training.guide,
            data,
            training.epoch,
        )
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            x = batch[0] if isinstance(batch, tuple) else batch
            rows = {
                "reconstructions": torch.cat(
                    [x, reconstruct(training.model, training.guide, batch)]
                ),
                "samples": generate(run, 4 * COLUMNS),
            }
        for name, pictures in rows.items():
            image = np.nan_to_num(mosaic(pictures, len(pictures) // len(x), len(x)), nan=0.5)
            writer.add_image(
                name, image, training.epoch, dataformats="HW" if image.ndim == 2 else "HWC"
            )
