"""p(x_mis|x_obs): missing dimensions of a datum from the observed ones, by importance sampling.

Given z the dimensions are independent, so p(x_obs|z) is the product of the observed factors alone,
and E[f(x_mis)|x_obs] is E[f|z] averaged over p(z|x_obs) ∝ p(z) p(x_obs|z): self-normalized
importance sampling (MIWAE, Mattei & Frellsen 2019, eqs. 9 and 11).

A guide trained on whole data is too narrow a proposal where x_obs leaves much open. So z is drawn
from a mixture. Its first components are q(z|x_obs, x_mis) at several fillings x_mis, each drawn
from the previous round's p(x_mis|x_obs): at the right fillings, and with q = p(z|x), these *are*
p(z|x_obs) (Tanner & Wong 1987). Its last is p(z), which bounds the weights whatever q is
(Hesterberg 1995). The chains of Rezende et al. 2014 and Mattei & Frellsen 2018 need time to
converge, and do not tell when they have. This has an effective sample size for every datum, and
p̂(x_obs), whose expectation is p(x_obs).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import pyro
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor
from torch.distributions import Distribution, Independent

from evidence.alone import looked_at
from evidence.batch import Batch, Data, repeat_rows
from evidence.chunks import particles_per_chunk, rows_per_chunk
from evidence.counts import whole
from evidence.joint import Joint
from evidence.means import mean_of
from evidence.observed import is_same
from evidence.offers import OffersFactors
from evidence.precision import log_prob
from evidence.progress import steps
from evidence.reliability import effective_size
from evidence.structure import Program, at, log_prob_of, observed_site
from evidence.unsupported import UnsupportedPair

# How many draws of x_mis, for every datum, the guide proposes at.
FILLINGS = 16


@dataclass(frozen=True)
class Imputation:
    """What the observed dimensions say about the missing ones, per datum.

    `mean` is E[x_d|x_obs], of least squared error; `draw` is one draw of x_mis from p(x_mis|x_obs),
    all dimensions together; `log_predictive` is log p(x_d|x_obs) in nats, each missing dimension by
    itself, at the value that was held back; `log_evidence` is log p̂(x_obs), a lower bound in
    expectation; `effective_size` is (Σw)²/Σw², out of `particles`. Where nothing is missing, `mean`
    and `draw` are x, and `log_predictive` is 0.
    """

    mean: Float[Tensor, " N *shape"]
    draw: Float[Tensor, " N *shape"]
    log_predictive: Float64[Tensor, " N *shape"]
    log_evidence: Float64[Tensor, " N"]
    effective_size: Float64[Tensor, " N"]
    particles: int

    @staticmethod
    def join(parts: Sequence["Imputation"]) -> "Imputation":
        """Returns one result from those of consecutive blocks of data."""
        names = [f.name for f in fields(Imputation) if f.name != "particles"]
        columns = {name: torch.cat([vars(part)[name] for part in parts]) for name in names}
        return Imputation(**columns, particles=parts[0].particles)


@torch.no_grad()
def impute(
    model: Program,
    guide: Program,
    x: Data,
    missing: Bool[Tensor, " *mask"],
    fill: Float[Tensor, " *shape"],
    num_particles: int = 1000,
    rounds: int = 3,
) -> Imputation:
    """Returns E[x_mis|x_obs] = Σ_k w_k E[x_mis|z_k] / Σ_k w_k, a draw of x_mis, and its density.

    The weights are w = p(z) p(x_obs|z) / r(z), r being the mixture that z is drawn from (Mattei &
    Frellsen 2019, eqs. 9 and 11).

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), called in the same way.
        x: the data (N, *shape), or (x, y, …). What x holds where it is missing is used for
            `log_predictive` and for nothing else.
        missing: True where x is not observed, (N, *shape), or (*shape) for all data alike.
        fill: completes a datum, (*shape), in the first round: the training mean, say.
        num_particles: how many draws of z to weigh, at least 17.
        rounds: how often to draw, each time at the last fillings; only the last draws count.

    Returns:
        Means, draws and densities per datum.

    Raises:
        UnsupportedPair: if the dimensions of x are not independent given z.
        ValueError: if `num_particles` or `rounds` is too low.

    >>> import pyro, pyro.distributions as dist
    >>> def model(x):   # two looks at one z ~ N(0, 1), so E[x_2|x_1] = x_1 / 2
    ...     with pyro.plate("data", len(x)):
    ...         z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
    ...         pyro.sample("x", dist.Normal(z.expand(x.shape), 1.0).to_event(1), obs=x)
    >>> def guide(x):
    ...     with pyro.plate("data", len(x)):
    ...         pyro.sample("z", dist.Normal(x.mean(1, keepdim=True), 1.0).to_event(1))
    >>> second = torch.tensor([False, True])
    >>> found = impute(model, guide, torch.tensor([[2.0, 0.0]]), second, torch.zeros(2), 10_000)
    >>> [round(value, 1) for value in found.mean[0].tolist()]
    [2.0, 1.0]
    """
    batch = Batch.some(x)
    if not batch.x.is_floating_point():
        raise ValueError(f"x has {batch.x.dtype}: means are filled in, so give x.float()")
    num_particles = whole("num_particles", num_particles, FILLINGS + 1)
    rounds = whole("rounds", rounds)
    means = torch.where(missing, fill.to(batch.x), batch.x)
    with pyro.validation_enabled(False):  # a mean need not lie in the support
        looked_at(model, guide, batch.with_x(means), weighed=True, inside=False)
    columns = Batch((*batch, missing.expand(batch.x.shape)))
    parts = []
    at_once = max(1, 8 * rows_per_chunk(batch.x, model) // num_particles)
    for part in steps(columns.parts(at_once), loops=2):
        posterior, filled = _posterior(
            model, guide, Batch(part[:-1]), part[-1], fill, num_particles, rounds
        )
        parts.append(posterior.imputation(filled))
    return Imputation.join(parts)


def _posterior(
    model: Program,
    guide: Program,
    batch: Batch,
    missing: Tensor,
    fill: Tensor,
    count: int,
    rounds: int,
) -> tuple["Weighted", Tensor]:
    """Returns weighted draws of p(z|x_obs) and one completed x, after the last of the rounds."""
    x = batch.x
    filled = [torch.where(missing, fill.to(x), x)]
    for _ in steps(range(rounds)):
        proposal = Proposal([Joint(model, guide, batch.with_x(one)) for one in filled])
        posterior = Weighted(proposal, x, missing, count)
        filled = [torch.where(missing, value.to(x), x) for value in posterior.draws(FILLINGS)]
    return posterior, filled[0]


class Proposal:
    """A mixture of q(z|x̃) at several completions x̃ of the same data, and p(z).

    Every completion is a `Joint`; z is written as its u.
    """

    def __init__(self, joints: list[Joint]) -> None:
        self.joints = joints

    def draw(
        self, count: int
    ) -> tuple[Float[Tensor, " rows dimensions"], Float64[Tensor, " components"]]:
        """Returns `count` draws of u for every datum, and the logarithms of the components' shares.

        Every component in turn gives its share, all as equal as can be.
        """
        sources = [*(joint.draw_guide for joint in self.joints), self.joints[0].draw_prior]
        numbers = [count // len(sources) + (k < count % len(sources)) for k in range(len(sources))]
        u = torch.cat([source(number) for source, number in zip(sources, numbers, strict=True)])
        shares = torch.tensor(numbers, dtype=torch.float64, device=u.device)
        return u, shares.log() - math.log(count)

    def log_prob(
        self,
        u: Float[Tensor, " rows dimensions"],
        log_prior: Float64[Tensor, " rows"],
        log_shares: Float64[Tensor, " components"],
    ) -> Float64[Tensor, " rows"]:
        """Returns the log-density of the whole mixture, whichever component a row came from.

        This is the balance heuristic (Veach & Guibas 1995).
        """
        components = torch.stack([*(joint.log_guide(u) for joint in self.joints), log_prior])
        return torch.logsumexp(components + log_shares.unsqueeze(1), 0)


class Weighted:
    """p(z|x_obs) of N data as `count` weighted draws u of each."""

    def __init__(self, proposal: Proposal, x: Tensor, missing: Tensor, count: int) -> None:
        self.joint, self.x, self.missing, self.count = proposal.joints[0], x, missing, count
        self.u, log_shares = proposal.draw(count)
        terms = [self.model_terms(u) for u in steps(self.chunks())]
        log_prior, log_observed = (torch.cat(column) for column in zip(*terms, strict=True))
        log_q = proposal.log_prob(self.u, log_prior, log_shares)
        self.log_weights = (log_observed + log_prior - log_q).reshape(count, len(x))

    @property
    def particles_at_once(self) -> int:
        """How many particles of all data have likelihoods that fit into memory together."""
        return particles_per_chunk(self.joint.batch, self.joint.model)

    def chunks(self) -> tuple[Tensor, ...]:
        """Returns u in parts of `particles_at_once`."""
        return self.u.split(self.particles_at_once * len(self.x))

    def model_terms(
        self, u: Float[Tensor, " rows dimensions"]
    ) -> tuple[Float64[Tensor, " rows"], Float64[Tensor, " rows"]]:
        """Returns log p(z) and log p(x_obs|z)."""
        log_prior, likelihood = conditional(self.joint, u)
        observed = self.factors(likelihood).masked_fill(self.missing, 0.0)
        return log_prior, observed.flatten(2).sum(2, dtype=torch.float64).flatten()

    def factors(self, likelihood: Distribution) -> Float[Tensor, " particles N *shape"]:
        """Returns log p(x_d|z), dimension by dimension."""
        rows = likelihood.batch_shape[0] // len(self.x)
        x = repeat_rows(self.x, rows)
        if isinstance(likelihood, OffersFactors):
            return likelihood.log_factors(x).unflatten(0, (rows, len(self.x)))
        return log_prob(likelihood, x, is_data=True).unflatten(0, (rows, len(self.x)))

    @property
    def log_evidence(self) -> Float64[Tensor, " N"]:
        """log p(x_obs) in nats: the logarithm of the mean weight, a lower bound in expectation."""
        return self.log_weights.logsumexp(0) - math.log(self.count)

    @property
    def effective_size(self) -> Float64[Tensor, " N"]:
        """(Σw)²/Σw²: how many of the particles count."""
        return effective_size(self.log_weights)

    def moments(self) -> tuple[Float64[Tensor, " N *shape"], Float64[Tensor, " N *shape"]]:
        """Returns E[x_d|x_obs] and log p(x_d|x_obs), weighted."""
        normalized = self.log_weights - self.log_weights.logsumexp(0)
        mean = torch.zeros_like(self.x, dtype=torch.float64)
        log_predictive = torch.full_like(self.x, -math.inf).double()
        weights = normalized.split(self.particles_at_once)
        for u, log_w in steps(zip(self.chunks(), weights, strict=True)):
            _, likelihood = conditional(self.joint, u)
            log_w = log_w.reshape(*log_w.shape, *[1] * (self.x.dim() - 1))
            mean += (log_w.exp() * mean_of(likelihood).unflatten(0, log_w.shape[:2])).sum(0)
            terms = (log_w + self.factors(likelihood)).logsumexp(0)
            log_predictive = torch.logaddexp(log_predictive, terms)
        return mean, log_predictive

    def draws(self, number: int) -> Iterator[Float[Tensor, " N *shape"]]:
        """Yields `number` draws of x from p(x|x_obs): of z by its weight, then of x given z."""
        # A datum that no particle explains has no posterior to draw from: any particle does.
        weights = self.log_weights.softmax(0).nan_to_num(1.0)
        chosen = torch.multinomial(weights.T, number, replacement=True)
        by_particle = self.u.unflatten(0, (self.count, len(self.x)))
        data = torch.arange(len(self.x), device=chosen.device)
        for column in chosen.T:
            yield conditional(self.joint, by_particle[column, data])[1].sample()

    def imputation(self, filled: Float[Tensor, " N *shape"]) -> Imputation:
        """Returns what these draws say, `filled` being one draw of the completed x."""
        mean, log_predictive = self.moments()
        return Imputation(
            torch.where(self.missing, mean.to(self.x), self.x),
            filled,
            torch.where(self.missing, log_predictive, 0.0),
            self.log_evidence,
            self.effective_size,
            self.count,
        )


def conditional(
    joint: Joint, u: Float[Tensor, " rows dimensions"]
) -> tuple[Float64[Tensor, " rows"], Distribution]:
    """Returns log p(z) + log |dz/du|, and p(x|z) with its dimensions apart.

    Their log-densities (rows, *shape) are its `log_factors` if it has them, else its `log_prob`.
    """
    if joint.summed:
        raise UnsupportedPair(
            f"latent site {joint.summed[0]!r} is discrete, and p(x|z) summed over it does not "
            "factorise over the dimensions of x; imputation needs it as an argument"
        )
    latents = joint.latents(u)
    rows = joint.rows(len(u))
    trace = at(joint.model, latents, rows)
    log_prior = log_prob_of(trace, latents) + joint.log_jacobian(u)
    site = observed_site(trace, latents)
    if site["value"] is not rows.x and not is_same(rows.x, site["value"]):
        raise UnsupportedPair(
            f"site {site['name']!r} does not observe the first column as it is given, which is "
            "what imputation fills in; pass what it observes as the first argument"
        )
    likelihood: Distribution = site["fn"]
    while isinstance(likelihood, Independent) and not isinstance(likelihood, OffersFactors):
        likelihood = likelihood.base_dist
    apart = likelihood.batch_shape == site["value"].shape
    if not apart and not isinstance(likelihood, OffersFactors):
        raise UnsupportedPair(
            f"site {site['name']!r}: {type(likelihood).__name__} does not factorise over the "
            "dimensions of x, so p(x_obs|z) is not known; imputation needs a likelihood of "
            "independent dimensions (.to_event(), or with a method log_factors)"
        )
    return log_prior, likelihood
