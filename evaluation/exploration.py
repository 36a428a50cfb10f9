"""What the decoder makes of codes other than those of the data.

With two latent dimensions it is given a grid over their plane. With more, or when the decoder is
given a label besides, it is given lines through the codes of a few data, along one dimension each.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from data import Dataset
from evaluation.diagnostics import MOST_WEIGHED
from evaluation.result import Evaluation
from evidence.batch import Batch
from evidence.noise import forked
from evidence.usage import COLLAPSED
from evidence.weights import Program, split_batch
from experiment.predictions import blank, decode, discrete, expected_x, prior_draws, reconstruct

# The most active dimensions, which are the axes to choose from and have a slider each.
MOST_DIMENSIONS = 8
# Places along each dimension of the plane, and along a line.
SIDE, STEPS = 32, 13
# Data that lines pass through.
MOST_STARTS = 10
# Draws of z that a datum's reconstruction is an average over.
PARTICLES = 16
PRIOR_DRAWS = 1000
MANIFOLD_DRAWS = 4096


@dataclass(frozen=True)
class Exploration:
    """The first data of an evaluation, each with its code, and the decoder's answers elsewhere.

    `shown` are dimensions of the codes, and `places` the values that each of them takes. `decoded`
    holds E[x|z] at every place of the plane, row by row, if `plane`; else, for each datum of
    `starts` and each shown dimension, at the datum's code with that dimension at its places.
    `redrawn` says that the split draws its noise at every access, so that these are not the very
    values that were measured.
    """

    batch: Batch
    labels: list[int] | None
    dimensions: list[tuple[str, int]]
    mean: Float[Tensor, " N latent"]
    reconstruction: Float[Tensor, " N *shape"]
    in_use: int
    shown: list[int]
    places: Float[Tensor, " places shown"]
    plane: bool
    starts: list[int]
    decoded: Float[Tensor, " M *shape"]
    redrawn: bool

    @property
    def given_labels(self) -> bool:
        """Whether the programs are given more than the datum: its label."""
        return bool(self.batch.others)

    @property
    def sites(self) -> list[str]:
        return list(dict.fromkeys(site for site, _ in self.dimensions))


@torch.no_grad()
def explore(evaluation: Evaluation) -> Exploration:
    """Returns the exploration of the first data, which are those that have a k̂."""
    run, codes = evaluation.run, evaluation.codes
    batch, mean = codes.batch.first(MOST_WEIGHED), codes.flat[:MOST_WEIGHED]
    split = run.data(evaluation.split)
    labels = None if split.labels is None else split.labels[: batch.size].tolist()
    activity = codes.activity(evaluation.diagnostics.usage)
    in_use = int((activity > COLLAPSED).sum())
    shown = _shown(activity, in_use)
    plane = mean.shape[1] == 2 and not batch.others
    with forked(batch.device, seed=0):
        reconstruction = torch.cat(
            [
                reconstruct(run.model, run.guide, Batch.of(part), PARTICLES)
                for part in split_batch(batch, PARTICLES, run.model)
            ]
        )
        prior = prior_draws(run.model, blank(run.dataset, PRIOR_DRAWS))
    drawn = torch.cat([prior[name].flatten(1) for name in codes.means], dim=1)
    places = _places(mean[:, shown], drawn[:, shown], SIDE if plane else STEPS)
    starts = [] if plane else _starts(mean, labels, bool(batch.others))
    z, of = _plane(places) if plane else _lines(mean, shown, places, starts)
    rows = batch.rows(of)
    decoded = decode(run.model, rows, codes.by_site(z) | discrete(run.guide, rows))
    return Exploration(
        batch=batch,
        labels=labels,
        dimensions=codes.dimensions,
        mean=mean,
        reconstruction=reconstruction,
        in_use=in_use,
        shown=shown,
        places=places,
        plane=plane,
        starts=starts,
        decoded=decoded,
        redrawn=not torch.equal(batch.x, Batch.of(split[: batch.size]).x),
    )


def _shown(activity: Tensor, in_use: int) -> list[int]:
    """Returns the dimensions in use, the most active first: two at least, in their order if all."""
    count = min(max(in_use, 2), MOST_DIMENSIONS)
    most: list[int] = activity.argsort(descending=True)[:count].tolist()
    return sorted(most) if len(activity) == 2 else most


def _places(
    mean: Float[Tensor, " N shown"], prior: Float[Tensor, " draws shown"], count: int
) -> Float[Tensor, " count shown"]:
    """Returns `count` values that span the codes and the middle 96 % of the prior evenly."""
    low = torch.minimum(prior.quantile(0.02, dim=0), mean.amin(0))
    high = torch.maximum(prior.quantile(0.98, dim=0), mean.amax(0))
    return low + (high - low) * torch.linspace(0, 1, count, device=low.device).unsqueeze(1)


def _starts(mean: Tensor, labels: list[int] | None, given_labels: bool) -> list[int]:
    """Returns the first datum of each label, or the first few data if there are no labels.

    One datum is enough if its code is a single number and nothing else is given to the decoder.
    """
    alone = mean.shape[1] == 1
    if labels is not None and (given_labels or not alone):
        return [labels.index(label) for label in sorted(set(labels))][:MOST_STARTS]
    return list(range(min(len(mean), 1 if alone else 6)))


# Codes (M, latent), and for each of them the datum that it belongs to.
Points = tuple[Float[Tensor, " M latent"], Int[Tensor, " M"]]


def _plane(places: Float[Tensor, " side 2"]) -> Points:
    """Returns the grid over both dimensions, the first of them fastest."""
    z = torch.cartesian_prod(places[:, 1], places[:, 0]).flip(1)
    return z, torch.zeros(len(z), dtype=torch.long, device=z.device)


def _lines(
    mean: Tensor, shown: list[int], places: Float[Tensor, " steps shown"], starts: list[int]
) -> Points:
    """Returns each start's code with each dimension in turn at each of its places."""
    of = torch.tensor(starts, device=places.device)
    z = mean[of].reshape(len(of), 1, 1, -1).repeat(1, len(shown), len(places), 1)
    for k, d in enumerate(shown):
        z[:, k, :, d] = places[:, k]
    return z.flatten(0, 2), of.repeat_interleave(len(shown) * len(places))


@dataclass(frozen=True)
class Manifold:
    """E[x|z] on a grid over a two-dimensional latent space, row by row from the top.

    `across` and `up` are the coordinates of columns and rows: `up` falls, as rows run down. `label`
    is the number of the one that the decoder is given besides, if it takes one.
    """

    across: Float[Tensor, " side"]
    up: Float[Tensor, " side"]
    means: Float[Tensor, " cells *shape"]
    label: int | None = None


def manifolds_of(model: Program, data: Dataset, side: int, side_given: int) -> list[Manifold]:
    """Returns the manifold between the prior's 2 % and 98 % quantiles of both dimensions.

    There is none for a model whose latent is not a single site of two dimensions, and one of
    `side_given` cells a side for each of the first MOST_STARTS labels if the model is given labels.
    """
    batch = blank(data, MANIFOLD_DRAWS)
    drawn = prior_draws(model, batch)
    if [z.shape[1:] for z in drawn.values()] != [(2,)]:
        return []
    ((name, z),) = drawn.items()
    side = side_given if batch.others else side
    steps = torch.linspace(0.02, 0.98, side, device=z.device)
    across, up = z[:, 0].quantile(steps), z[:, 1].quantile(steps.flip(0))
    grid = torch.stack([across.repeat(side), up.repeat_interleave(side)], dim=-1)
    cells = batch.first(side**2)
    if not batch.others:
        return [Manifold(across, up, expected_x(model, cells, {name: grid}))]
    given = [torch.full_like(cells.others[0], y) for y in range(min(data.num_classes, MOST_STARTS))]
    return [
        Manifold(across, up, expected_x(model, Batch((cells.x, y)), {name: grid}), int(y[0]))
        for y in given
    ]
