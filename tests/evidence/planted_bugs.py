"""Common errors of estimators of the evidence, each as a patch of the correct code."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from evidence import annealing, hmc, lower, structure, upper, weights
from evidence.estimate import Estimate
from evidence.joint import Joint
from evidence.weights import Densities

Patch = Callable[[pytest.MonkeyPatch], Any]
BUGS: dict[str, Patch] = {}


def bug(patch: Patch) -> Patch:
    """Enter a patch into the table, under the sentence that documents it."""
    assert patch.__doc__
    BUGS[patch.__doc__] = patch
    return patch


def _log_weights(patch: pytest.MonkeyPatch, wrong: Callable[[Densities], Tensor]) -> None:
    patch.setattr(Densities, "log_weights", property(wrong))


@bug
def kl_sign(patch):
    """sign of log q reversed"""
    _log_weights(patch, lambda p: p.log_likelihood + p.log_prior + p.log_guide)


@bug
def kl_dropped(patch):
    """KL term dropped"""
    _log_weights(patch, lambda p: p.log_likelihood)


@bug
def prior_dropped(patch):
    """prior dropped"""
    _log_weights(patch, lambda p: p.log_likelihood - p.log_guide)


@bug
def joint_over_the_batch(patch):
    """one weight for the whole batch"""
    _log_weights(
        patch,
        lambda p: (
            (w := p.log_likelihood + p.log_prior - p.log_guide).sum(1, keepdim=True).expand_as(w)
        ),
    )


@bug
def float32(patch):
    """accumulated in float32"""
    _log_weights(
        patch,
        lambda p: (p.log_likelihood.float() + p.log_prior.float() - p.log_guide.float()).double(),
    )


@bug
def log_k_forgotten(patch):
    """log K forgotten"""
    right = lower.iwae
    patch.setattr(
        lower,
        "iwae",
        lambda m, g, x, k: Estimate(right(m, g, x, k).per_datum + math.log(k), "lower", k),
    )


@bug
def mean_of_log(patch):
    """mean of the log instead of log of the mean"""
    patch.setattr(lower, "iwae", lambda m, g, x, k: lower.elbo(m, g, x, k))


@bug
def log_of_mean(patch):
    """log of the mean reported as the ELBO"""
    patch.setattr(lower, "elbo", lambda m, g, x, k: lower.iwae(m, g, x, k))


@bug
def normaliser_dropped(patch):
    """½ log 2π dropped from p(x|z)"""
    right = structure.site_log_prob

    def wrong(site, *of_data, **of_it):
        return right(site, *of_data, **of_it) + (
            0.5 * math.log(2 * math.pi) * site["value"][0].numel() if site["is_observed"] else 0
        )

    for module in (structure, weights):
        patch.setattr(module, "site_log_prob", wrong)


@bug
def plate_scale(patch):
    """scale of the plate exponentiated with the density"""
    right = structure.site_log_prob

    def wrong(site, *of_data, **of_it):
        return right(site, *of_data, **of_it) * site["scale"]

    for module in (structure, weights):
        patch.setattr(module, "site_log_prob", wrong)


@bug
def fewer_particles(patch):
    """whole chunks of particles only"""
    right = weights.stream

    def wrong(model, guide, batch, count):
        chunk = weights.particles_per_chunk(batch, model)
        whole = max(chunk, count // chunk * chunk) if count > 1 else count
        return right(model, guide, batch, whole)

    patch.setattr(weights, "stream", wrong)


@bug
def last_batch_dropped(patch):
    """last batch dropped"""
    right = weights.split_batch

    def wrong(x, count, model):
        parts = list(right(x, count, model))
        return iter(parts[:-1] or parts)

    for module in (weights, lower):
        patch.setattr(module, "split_batch", wrong)


@bug
def trains(patch):
    """evaluation that trains"""
    right = lower.elbo

    def wrong(model, guide, x, count):
        found = right(model, guide, x, count)
        for parameter in guide.parameters():
            parameter.data.add_(1e-3)
        return found

    patch.setattr(lower, "elbo", wrong)


@bug
def all_from_the_guide(patch):
    """upper bound without the exact draw"""
    patch.setattr(
        upper,
        "iw_eubo",
        lambda m, g, x, z, k: Estimate(
            weights.log_weights(m, g, x, k).logsumexp(0) - math.log(k), "upper", k
        ),
    )


@bug
def no_jacobian(patch):
    """Jacobian of the change of variables omitted"""
    patch.setattr(Joint, "log_jacobian", lambda joint, u: torch.zeros(len(u), dtype=torch.float64))


def _transition(fault: str) -> Callable[..., Any]:
    """Hamiltonian Monte Carlo with one thing wrong."""
    state: dict[str, Any] = {"step": 1.0}

    def transition(path, point, beta, step, leapfrogs):
        momentum = torch.randn_like(point.u)
        if fault == "momentum":
            kept = state.get("momentum")
            momentum = momentum if kept is None or kept.shape != momentum.shape else kept
        if fault == "adapting" and getattr(state["step"], "shape", step.shape) == step.shape:
            step = step * state["step"]
        stale = state.get("beta", beta) if fault == "stale" else beta
        state["beta"] = beta
        before = point.energy(stale) + 0.5 * momentum.square().sum(1)
        size, new = step.unsqueeze(1), point
        momentum = momentum + 0.5 * size * new.force(beta)
        for k in range(leapfrogs):
            new = path.at(new.u + size * momentum)
            last = k == leapfrogs - 1 and fault != "half step"
            momentum = momentum + (0.5 if last else 1.0) * size * new.force(beta)
        state["momentum"] = momentum
        after = new.energy(beta) + 0.5 * momentum.square().sum(1)
        change = after - before if fault == "reversed" else before - after
        acceptance = change.clamp(max=0).exp()
        accepted = torch.rand_like(acceptance) < acceptance
        if fault == "always":
            accepted = torch.ones_like(accepted)
        if fault == "adapting":  # each chain's next step looks at where the chain is now
            state["step"] = state["step"] * torch.where(accepted, 1.3, 0.5)
        return new.where(accepted, point), acceptance

    return transition


for _fault, _sentence in {
    "reversed": "acceptance probability reversed",
    "always": "every proposal accepted",
    "half step": "last half step of the momentum forgotten",
    "momentum": "momentum not refreshed",
    "stale": "acceptance with the log-density of the last temperature",
    "adapting": "step size adapting while annealing",
}.items():
    BUGS[_sentence] = lambda patch, fault=_fault: patch.setattr(
        annealing, "transition", _transition(fault)
    )


@bug
def wrong_slope(patch):
    """weight updated with the whole log-density instead of the ratio to the start"""
    patch.setattr(hmc.Point, "slope", property(lambda point: point.log_end))


@bug
def reverse_from_the_start(patch):
    """reverse chains not started from an exact posterior draw"""
    right = annealing.reverse_weights
    patch.setattr(
        annealing,
        "reverse_weights",
        lambda path, plan, steps, draw: right(path, plan, steps, path.draw(1)),
    )
