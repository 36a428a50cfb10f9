"""A trained pair with its data, and what can be asked of it.

Every method takes x in the run's space, as `run.read` and `run.data` return it: a tensor, an array,
a DataFrame, or (x, y) where the model is given labels. What is stored in a file, grey levels say,
comes into that space by `run.read`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from data import Dataset, Split
from data.labels import Label
from data.new import New, Reader, beginning, digest_of, placed
from errors import RequestError
from evidence import Estimate, Imputation, UnsupportedPair, exact, impute, iwae
from evidence.batch import Batch
from evidence.imputation import FILLINGS
from evidence.noise import forked
from experiment.directory import RunDirectory
from experiment.given import Given, batch_of, blank_with, mask_of, refused
from experiment.metrics_file import Record
from experiment.predictions import code, reconstruct, sampled
from experiment.request import Request

BLOCK = 250  # data that are worked on at once


@dataclass(repr=False)
class Run:
    """A trained pair with its data: `run.model`, `run.guide`, `run.data("test")`, `run.config`.

    Its methods use random numbers of their own, which begin with `seed`: the same call gives the
    same result, and leaves torch's generator as it was.

    >>> from inference import load_run
    >>> run = load_run("runs/demo")
    >>> x = run.read([[[0] * 8] * 8, [[16] * 8] * 8])   # two pictures of grey levels 0..16
    >>> x.shape, run.encode(x).shape, run.reconstruct(x).shape, run.sample(10).shape
    (torch.Size([2, 8, 8]), torch.Size([2, 2]), torch.Size([2, 8, 8]), torch.Size([10, 8, 8]))
    """

    path: Path
    request: Request
    model: nn.Module
    guide: nn.Module
    dataset: Dataset
    epoch: int
    trained_by: str | None = None  # the digest of the request that made the weights

    def __repr__(self) -> str:
        """What was trained, and how data come in, in a few lines."""
        names, data = self.request.names, self.dataset
        counts = " / ".join(f"{len(split):,} {name}" for name, split in data.splits.items())
        shape = "×".join(map(str, data.shape))
        return "\n".join(
            (
                f"Run {self.path}, epoch {self.epoch} of {self.request.train.epochs}",
                f"  data {names['data']}: {shape} in {data.description}; {counts}",
                f"  {names['model']}: prior {names['prior']}, likelihood {names['likelihood']}, "
                f"guide {names['guide']}, network {names['network']}; "
                f"z in {self.request.latent_dim}-d",
                f"  read: {self.reading}",
            )
        )

    @property
    def config(self) -> dict[str, Any]:
        """The request as plain values, as config.yaml holds it."""
        return self.request.plain()

    @property
    def reading(self) -> str:
        """How `read` makes x of stored values, in words."""
        return self.dataset.observation.words

    def data(self, split: str) -> Split:
        """Returns the split `train`, `valid` or `test`; `run.data("test")[:10]` are ten data."""
        return self.dataset(split)

    @cached_property
    def metrics(self) -> list[Record]:
        """What was measured in training, by epoch and split."""
        return RunDirectory(self.path).read_metrics()

    def read(self, source: New, labels: New | None = None, missing: bool = False) -> Tensor | Batch:
        """Returns new data in the run's space, put there as the run's own data were.

        Grey levels are binarised, dequantised or standardised by the training split, as `reading`
        says; noise that this takes is drawn by the seed of the data, so that the same values always
        become the same x.

        Arguments:
            source: a file of the kind that the run was trained on (.npy, .npz with an array x, an
                image or a folder of images), or the values: an array, a tensor, a DataFrame.
            labels: a label for each datum, or a .npy of them; for a model that is given labels.
            missing: whether NaN stands for what is missing, to be filled in by `impute`.

        Returns:
            x, (N, *shape) float32 on the run's device; (x, y) for a model that is given labels.

        Raises:
            RequestError: there are no such data, or they are none that the run could have.

        >>> x = run.read(16 * run.data("test")[:3])
        >>> bool((x == run.data("test")[:3]).all())
        True
        """
        reader = self._reader(missing)
        with refused():
            raw = reader.read(source, self.dataset, labels)
            with beginning(source):
                return placed(raw, self.dataset, self._seed, missing)[:]

    def with_new(self, source: str, labels: str | None = None) -> tuple["Run", str]:
        """Returns this run with new data as one more split, and the name of that split.

        Raises:
            RequestError: as of `read`.
        """
        with refused():
            raw = self._reader().read(source, self.dataset, labels)
            with beginning(source):
                split = replace(placed(raw, self.dataset, self._seed), source=source)
        name = f"new-{digest_of(raw)[:8]}"
        others = {**self.dataset.others, name: split}
        return replace(self, dataset=replace(self.dataset, others=others)), name

    @property
    def _seed(self) -> int:
        seed = self.request.data.options.get("seed")
        return seed if isinstance(seed, int) else 0

    def _reader(self, missing: bool = False) -> Reader:
        options: dict[str, Any] = {
            field.name: self.request.data.options[field.name]
            for field in fields(Reader)
            if field.name in self.request.data.options
        }
        return Reader(**options, missing=missing)

    def encode(self, x: Given, particles: int = 100, seed: int = 0) -> Tensor:
        """Returns the codes E_q[z] of data.

        Arguments:
            x: the data (N, *shape), or (x, y).
            particles: how many draws of z are averaged, where q does not know its mean (a flow's).
            seed: that of the draws.

        Returns:
            (N, latent), with all latent sites side by side if there are several.

        Raises:
            RequestError: x is not in the run's space.

        >>> run.encode(run.data("test")[:5]).shape
        torch.Size([5, 2])
        """
        return self._blockwise(x, seed, lambda b: code(self.model, self.guide, b, particles))

    def reconstruct(self, x: Given, particles: int = 32, seed: int = 0) -> Tensor:
        """Returns E_q[E[x|z]]: what the model expects of x after it has seen x.

        Arguments:
            x: the data (N, *shape), or (x, y).
            particles: how many draws of z are averaged.
            seed: that of the draws.

        Returns:
            (N, *shape), in the run's space.

        Raises:
            RequestError: x is not in the run's space.

        >>> run.reconstruct(run.data("test")[:5]).shape
        torch.Size([5, 8, 8])
        """
        return self._blockwise(x, seed, lambda b: reconstruct(self.model, self.guide, b, particles))

    @torch.no_grad()
    def sample(
        self,
        count: int,
        labels: Sequence[Label] | None = None,
        means: bool = False,
        seed: int | None = None,
    ) -> Tensor:
        """Returns data that the model draws: z ~ p(z), x ~ p(x|z).

        Arguments:
            count: how many.
            labels: one for each, if the model is given labels; without, they take turns.
            means: whether to return E[x|z] at the draws of z instead.
            seed: that of the draws; None goes on with torch's own generator.

        Returns:
            (count, *shape), in the run's space.

        Raises:
            RequestError: there are not `count` labels, or the run has no such labels.

        >>> run.sample(3, seed=1).unique()
        tensor([0., 1.])
        """
        batch = blank_with(labels, count, self.dataset)
        if seed is not None:
            with forked(batch.device, seed):
                return self.sample(count, labels, means)
        return torch.cat([sampled(self.model, part, means) for part in batch.parts(BLOCK)])

    def score(
        self, x: Given, particles: int = 5000, exactly: bool = False, seed: int = 0
    ) -> Estimate:
        """Returns log p(x) of each datum in nats; unusual data score low.

        Arguments:
            x: the data (N, *shape), or (x, y), whose score is log p(x|y).
            particles: how many importance samples a datum gets.
            exactly: whether to compute log p(x) itself, where that is possible: for one or two
                latent dimensions, and for linear models.
            seed: that of the draws.

        Returns:
            An `Estimate`: its `per_datum` (N,), its `mean` with `standard_error`, and the side of
            log p(x) that it is on (`kind`): a lower bound (IWAE), or exact.

        Raises:
            RequestError: x is not in the run's space, or log p(x) itself cannot be computed.

        >>> score = run.score(run.data("test")[:5], particles=100)
        >>> score.kind, score.per_datum.shape
        ('lower', torch.Size([5]))
        """
        batch = batch_of(x, self.dataset)
        with forked(batch.device, seed):
            if not exactly:
                return iwae(self.model, self.guide, batch, particles)
            try:
                found = exact(self.model, self.guide, batch)
            except (ArithmeticError, UnsupportedPair) as error:
                raise RequestError(f"exactly=True: {error}; exactly=False is a bound") from error
        if found is None:
            raise RequestError(
                "exactly=True: log p(x) of this model cannot be computed; leave it out for a bound"
            )
        return found

    def impute(
        self, x: Given, missing: New | None = None, particles: int = 1000, seed: int = 0
    ) -> Imputation:
        """Fills in what is missing from what is observed, by importance sampling.

        Arguments:
            x: the data (N, *shape), or (x, y), with NaN where they are missing.
            missing: True where they are missing, too: (N, *shape), or (*shape) for all alike. The
                values of x there are held back, to tell what they are worth in `log_predictive`.
            particles: how many draws of z are weighed, at least 17.
            seed: that of the draws.

        Returns:
            An `Imputation`. `mean` is E[x_mis|x_obs] beside x_obs; `draw` fills in one draw;
            `log_predictive` is NaN where x is; `effective_size` is near 1 where more particles are
            needed.

        Raises:
            RequestError: nothing is missing, or x is not in the run's space, or there are too few
                particles, or the dimensions of x are not independent given z.

        >>> x = run.data("test")[:2].clone()
        >>> x[:, :4] = float("nan")                     # the upper half
        >>> run.impute(x, particles=100).mean.isnan().any()
        tensor(False)
        """
        if particles <= FILLINGS:
            raise RequestError(f"particles={particles}: must be at least {FILLINGS + 1}")
        batch = batch_of(x, self.dataset, missing=True)
        unknown = batch.x.isnan()
        lost = unknown if missing is None else unknown | mask_of(missing, batch)
        if not lost.any():
            raise RequestError("nothing is missing: give NaN in x, or `missing`")
        with forked(batch.device, seed):
            # Any value of the space stands for NaN, which has no density: the mask hides it.
            value = Batch.of(self.dataset.train[:1]).x
            whole = batch.with_x(torch.where(unknown, value, batch.x))
            try:
                found = impute(self.model, self.guide, whole, lost, self.dataset.mean, particles)
            except UnsupportedPair as error:
                raise RequestError(str(error)) from error
        return replace(found, log_predictive=found.log_predictive.masked_fill(unknown, math.nan))

    @torch.no_grad()
    def _blockwise(self, x: Given, seed: int, of: Callable[[Batch], Tensor]) -> Tensor:
        batch = batch_of(x, self.dataset)
        with forked(batch.device, seed):
            return torch.cat([of(part) for part in batch.parts(BLOCK)])
