"""p(x_mis|x_obs): missing dimensions of a datum from the observed ones, by importance sampling of p(z|x_obs).

Given z the dimensions are independent, so p(x_obs|z) is the product of the observed factors alone, exactly, and
E[f(x_mis)|x_obs] = E[f|z] averaged over p(z|x_obs) ∝ p(z) p(x_obs|z): self-normalised importance sampling (Mattei & Frellsen
2019, MIWAE, eqs. 9 and 11). A guide trained on whole data is too narrow a proposal where x_obs leaves much open, so z is drawn
from a mixture: q(z|x_obs, x_mis) at several fillings x_mis, each drawn from the previous round's p(x_mis|x_obs) — at the right
fillings, and with q = p(z|x), that mixture *is* p(z|x_obs) (Tanner & Wong 1987) — and p(z), which bounds the weights whatever
q is (Hesterberg 1995). Unlike the chains of Rezende et al. 2014 and Mattei & Frellsen 2018, which need time to converge and do
not tell when they have, this has an effective sample size for every datum, and p̂(x_obs), whose expectation is p(x_obs).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Float64
from pyro import poutine
from torch import Tensor
from torch.distributions import Distribution, Independent

from errors import RequestError
from evidence.joint import Joint
from evidence.structure import observed_site
from evidence.weights import Batch, Program, as_batch, repeat_rows, rows_per_chunk, sum_log_probs

FILLINGS = 16
"""Draws of x_mis, for every datum, at which the guide proposes."""


@dataclass(frozen=True)
class Imputation:
    """Per datum. Where nothing is missing, `mean` and `draw` are x, and `log_predictive` is 0.

    `mean` is E[x_d|x_obs], of least squared error; `draw` is one draw of x_mis from p(x_mis|x_obs), all dimensions together;
    `log_predictive` is log p(x_d|x_obs), each missing dimension by itself, at the value that was held back, in nats;
    `log_evidence` is log p̂(x_obs), a lower bound in expectation; `effective_size` is (Σw)²/Σw², out of `particles`.
    """

    mean: Float[Tensor, " N *shape"]
    draw: Float[Tensor, " N *shape"]
    log_predictive: Float64[Tensor, " N *shape"]
    log_evidence: Float64[Tensor, " N"]
    effective_size: Float64[Tensor, " N"]
    particles: int

    @staticmethod
    def join(parts: Sequence["Imputation"]) -> "Imputation":
        """One from those of consecutive blocks of data."""
        names = [f.name for f in fields(Imputation) if f.name != "particles"]
        columns = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        return Imputation(**columns, particles=parts[0].particles)


@torch.no_grad()
def impute(
    model: Program,
    guide: Program,
    x: Batch,
    missing: Bool[Tensor, " N *shape"],
    fill: Float[Tensor, " *shape"],
    num_particles: int = 1000,
    rounds: int = 3,
) -> Imputation:
    """Fill x (N, *shape) where `missing` (True: not observed; (N, *shape), or *shape for all data alike).

    What `x` holds there is used for `log_predictive` and nothing else. `fill` (the training mean, say) completes a datum
    until the first of `rounds` has made better fillings. Only the last round's draws enter the result.

    Raises RequestError for a likelihood whose dimensions are not independent given z.
    """
    batch = as_batch(x)
    if num_particles <= FILLINGS or rounds < 1:
        raise ValueError(
            f"num_particles={num_particles}, rounds={rounds}: at least {FILLINGS + 1} and 1 are needed"
        )
    missing = missing.expand(batch[0].shape)
    parts = []
    size = max(1, 8 * rows_per_chunk(batch[0], model) // num_particles)
    for *part, lost in zip(*(column.split(size) for column in (*batch, missing)), strict=True):
        parts.append(_impute(model, guide, tuple(part), lost, fill, num_particles, rounds))
    return Imputation.join(parts)


def _impute(
    model: Program,
    guide: Program,
    batch: tuple[Tensor, ...],
    missing: Tensor,
    fill: Tensor,
    count: int,
    rounds: int,
) -> Imputation:
    x, *given = batch
    filled = [torch.where(missing, fill.to(x), x)]
    for _ in range(rounds):
        proposal = Proposal([Joint(model, guide, (one, *given)) for one in filled])
        posterior = Weighted(proposal, x, missing, count)
        filled = [torch.where(missing, value.to(x), x) for value in posterior.draws(FILLINGS)]
    mean, log_predictive = posterior.moments()
    return Imputation(
        torch.where(missing, mean.to(x), x),
        filled[0],
        torch.where(missing, log_predictive, 0.0),
        posterior.log_evidence,
        posterior.effective_size,
        count,
    )


class Proposal:
    """A mixture of q(z|x̃) at several completions x̃ of the same data, and p(z): every one a `Joint`, z in its u."""

    def __init__(self, joints: list[Joint]) -> None:
        self.joints = joints

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """u (count·N, dimensions), from every component in turn as equal a number as can be, and log of their shares."""
        sources = [*(joint.draw_guide for joint in self.joints), self.joints[0].draw_prior]
        numbers = [count // len(sources) + (k < count % len(sources)) for k in range(len(sources))]
        u = torch.cat([source(number) for source, number in zip(sources, numbers, strict=True)])
        return u, torch.tensor(numbers, dtype=torch.float64, device=u.device).log() - math.log(
            count
        )

    def log_prob(
        self, u: Tensor, log_prior: Tensor, log_shares: Tensor
    ) -> Float64[Tensor, " rows"]:
        """Of the whole mixture, whichever component a row came from (the balance heuristic, Veach & Guibas 1995)."""
        components = torch.stack([*(joint.log_guide(u) for joint in self.joints), log_prior])
        return torch.logsumexp(components + log_shares.unsqueeze(1), 0)


class Weighted:
    """p(z|x_obs) of N data as `count` weighted draws u of each."""

    def __init__(self, proposal: Proposal, x: Tensor, missing: Tensor, count: int) -> None:
        self.joint, self.x, self.missing, self.count = proposal.joints[0], x, missing, count
        self.u, log_shares = proposal.draw(count)
        terms = [self.model_terms(u) for u in self.chunks()]
        log_prior, log_observed = (torch.cat(column) for column in zip(*terms, strict=True))
        log_q = proposal.log_prob(self.u, log_prior, log_shares)
        self.log_weights = (log_observed + log_prior - log_q).reshape(count, len(x))

    def chunks(self) -> Iterator[Tensor]:
        """Particles few enough that their likelihoods fit into memory together."""
        particles = max(1, rows_per_chunk(self.x, self.joint.model) // len(self.x))
        return iter(self.u.split(particles * len(self.x)))

    def model_terms(self, u: Tensor) -> tuple[Float64[Tensor, " rows"], Float64[Tensor, " rows"]]:
        """log p(z) and log p(x_obs|z)."""
        log_prior, likelihood = conditional(self.joint, u)
        observed = self.factors(likelihood).masked_fill(self.missing, 0.0)
        return log_prior, observed.flatten(2).sum(2, dtype=torch.float64).flatten()

    def factors(self, likelihood: Distribution) -> Float[Tensor, " particles N *shape"]:
        """log p(x_d|z), dimension by dimension."""
        rows = likelihood.batch_shape[0] // len(self.x)
        log_factors = getattr(likelihood, "log_factors", likelihood.log_prob)
        return log_factors(repeat_rows(self.x, rows)).unflatten(0, (rows, len(self.x)))

    @property
    def log_evidence(self) -> Float64[Tensor, " N"]:
        """log p(x_obs), nats: the logarithm of the mean weight, a lower bound in expectation."""
        return self.log_weights.logsumexp(0) - math.log(self.count)

    @property
    def effective_size(self) -> Float64[Tensor, " N"]:
        """(Σw)²/Σw²: how many of the particles count."""
        return (2 * self.log_weights.logsumexp(0) - (2 * self.log_weights).logsumexp(0)).exp()

    def moments(self) -> tuple[Float64[Tensor, " N *shape"], Float64[Tensor, " N *shape"]]:
        """E[x_d|x_obs] and log p(x_d|x_obs), weighted."""
        normalised = self.log_weights - self.log_weights.logsumexp(0)
        mean, log_predictive = (
            torch.zeros_like(self.x, dtype=torch.float64),
            torch.full_like(self.x, -math.inf).double(),
        )
        for u, log_w in zip(
            self.chunks(), normalised.split(len(next(self.chunks())) // len(self.x)), strict=True
        ):
            _, likelihood = conditional(self.joint, u)
            log_w = log_w.reshape(*log_w.shape, *[1] * (self.x.dim() - 1))
            mean += (log_w.exp() * likelihood.mean.unflatten(0, log_w.shape[:2])).sum(0)
            log_predictive = torch.logaddexp(
                log_predictive, (log_w + self.factors(likelihood)).logsumexp(0)
            )
        return mean, log_predictive

    def draws(self, number: int) -> Iterator[Float[Tensor, " N *shape"]]:
        """`number` draws of x from p(x|x_obs): of z by its weight, then of x given z."""
        chosen = torch.multinomial(self.log_weights.softmax(0).T, number, replacement=True)
        by_particle = self.u.unflatten(0, (self.count, len(self.x)))
        for column in chosen.T:
            yield conditional(
                self.joint, by_particle[column, torch.arange(len(self.x), device=column.device)]
            )[1].sample()


def conditional(joint: Joint, u: Tensor) -> tuple[Float64[Tensor, " rows"], Distribution]:
    """log p(z) + log |dz/du|, and p(x|z) with its dimensions apart: their log-densities (rows, *shape) are its `log_factors`
    if it has them, else its log_prob."""
    latents = joint.latents(u)
    trace = poutine.trace(poutine.condition(joint.model, data=latents)).get_trace(
        *joint.rows(len(u))
    )
    log_prior = sum_log_probs(trace.nodes[name] for name in latents) + joint.log_jacobian(u)
    site = observed_site(trace, latents)
    likelihood = site["fn"]
    while isinstance(likelihood, Independent):
        likelihood = likelihood.base_dist
    if likelihood.batch_shape != site["value"].shape and not hasattr(likelihood, "log_factors"):
        raise RequestError(
            f"site {site['name']!r}: {type(likelihood).__name__} does not factorise over the dimensions of x, so p(x_obs|z) is "
            "not known; imputation needs a likelihood of independent dimensions (.to_event(), or with a method log_factors)"
        )
    return log_prior, likelihood
