"""What the latent dimensions are used for: their activity, and what q(z|x) tells about x."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from evidence.alone import looked_at
from evidence.counts import whole
from evidence.joint import Joint
from evidence.progress import steps
from evidence.weights import Program

# Variance of the posterior means below which a dimension counts as unused (Burda et al. 2016,
# appendix C).
COLLAPSED = 1e-2
# Draws of z per datum for its activity: over 200 data it then has a standard error of 1e-3. With 4
# draws it would be 3e-2, which is more than COLLAPSED.
ACTIVITY_DRAWS = 100


@dataclass(frozen=True)
class PosteriorMoments:
    """Mean and variance of q(z|x) for every datum, estimated from `draws` draws of z."""

    mean: Float[Tensor, " data latent"]
    variance: Float[Tensor, " data latent"]
    draws: int

    @property
    def activity(self) -> Float[Tensor, " latent"]:
        """The variance of E_q[z_d|x] over the data.

        The mean of the draws varies by their own noise too; that part is taken off.

        >>> same = PosteriorMoments(torch.ones(5, 2), torch.zeros(5, 2), draws=10)
        >>> same.activity.tolist()
        [0.0, 0.0]
        """
        return self.mean.var(0) - self.variance.mean(0) / self.draws


@dataclass(frozen=True)
class LatentUsage:
    """What q(z|x) tells about x, in nats, over the `num_examples` data that were measured.

    `rate` E KL(q(z|x)‖p(z)) = `mutual_information` I_q(x; z) + `marginal_kl` KL(q(z)‖p(z))
    (Hoffman & Johnson 2016). Here q(z) is the mixture of q(z|x) over these N data, so that the
    mutual information cannot exceed log N. `activity` is the variance over data of E_q[z_d|x].
    """

    activity: Float64[Tensor, " latent"]
    rate: float
    mutual_information: float
    num_examples: int

    @property
    def marginal_kl(self) -> float:
        """KL(q(z)‖p(z)): how far the codes of the data are from what the prior draws."""
        return self.rate - self.mutual_information

    @property
    def active_units(self) -> int:
        """The number of dimensions whose posterior mean varies with x."""
        return int((self.activity > COLLAPSED).sum())

    @property
    def collapsed(self) -> list[int]:
        """The dimensions whose posterior mean does not vary with x."""
        return torch.nonzero(self.activity <= COLLAPSED).flatten().tolist()

    @property
    def saturated(self) -> bool:
        """Whether the mutual information is at its ceiling log N: more data would show more."""
        return self.mutual_information > 0.95 * math.log(self.num_examples)


@torch.no_grad()
def latent_usage(
    model: Program, guide: Program, x: Tensor | tuple[Tensor, ...], draws: int = 50
) -> LatentUsage:
    """Measures active units, rate, I_q(x; z) and KL(q(z)‖p(z)).

    Every draw costs N² evaluations of q; the active units need none and come from more draws.

    Arguments:
        model: The Pyro program p(x, z).
        guide: The Pyro program q(z|x), with one latent site.
        x: The N data (N, *shape), or the columns that the programs are called with.
        draws: Draws of z for every datum in the terms of the rate.

    Returns:
        The activity of every dimension of the unconstrained z, and the terms of the rate.

    Example:
        >>> import pyro, pyro.distributions as dist
        >>> def model(x):
        ...     with pyro.plate("data", len(x)):
        ...         z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        ...         pyro.sample("x", dist.Normal(z[:, :1], 0.1).to_event(1), obs=x)
        >>> def guide(x):
        ...     with pyro.plate("data", len(x)):
        ...         mean = torch.cat([x, 0 * x], 1)  # x says nothing about the second dimension
        ...         pyro.sample("z", dist.Normal(mean, torch.tensor([0.1, 1.0])).to_event(1))
        >>> latent_usage(model, guide, torch.linspace(-2, 2, 20).unsqueeze(1)).collapsed
        [1]
    """
    draws = whole("draws", draws)
    batch = looked_at(model, guide, x)
    joint = Joint(model, guide, batch)
    many = joint.draw_guide(max(draws, ACTIVITY_DRAWS)).double().unflatten(0, (-1, batch.size))
    activity = PosteriorMoments(many.mean(0), many.var(0), len(many)).activity
    u = many[:draws]
    log_q = torch.stack([_log_guide_matrix(joint, part) for part in steps(u)])  # draws × z × q
    own = log_q.diagonal(dim1=1, dim2=2)
    mutual_information = float((own - (log_q.logsumexp(2) - math.log(batch.size))).mean())
    log_prior, _ = joint.model_terms(joint.typed(u.flatten(0, 1)))
    rate = float(own.mean() - log_prior.mean())
    return LatentUsage(activity, rate, mutual_information, batch.size)


def _log_guide_matrix(joint: Joint, u: Float64[Tensor, " N latent"]) -> Float64[Tensor, " N N"]:
    """Returns log q(z_i|x_j) in row i and column j: every z under the guide of every datum."""
    count = len(u)
    every_z = u.repeat_interleave(count, 0)  # row i·N + j holds z_i and is evaluated at x_j
    return joint.log_guide(joint.typed(every_z)).reshape(count, count)
