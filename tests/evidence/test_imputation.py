"""Imputation on joints with known conditionals is exact in expectation, for any guide.

The unnormalised weights w are unbiased. With p̂ = mean w, f* = E[f|x_obs], f̂ = Σ w f / Σ w, both
E[p̂/p(x_obs)] = 1 and E[p̂ (f̂ − f*)] = 0 hold at any number of particles. So each is tested at α =
1e-6, without a tolerance and with few particles.
"""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

from evidence import UnsupportedPair, chunks
from evidence.imputation import Imputation, Proposal, Weighted, impute
from evidence.joint import Joint
from models.joints import FactorAnalysis, GammaPoisson, Posterior
from tests.evidence.statistics_checks import e_value_accepts, is_unbiased

Z = 5.3
"""Two-sided normal quantile at α = 1e-6 over eight dimensions."""


def factor_analysis():
    """Six dimensions of which two to four are missing, another set for each of 400 data."""
    g = torch.Generator().manual_seed(0)
    joint = FactorAnalysis(
        torch.randn(6, 2, generator=g),
        torch.randn(6, generator=g),
        0.3 + torch.rand(6, generator=g),
    )
    x = joint.conditional(joint.prior().sample((400,))).sample()
    missing = torch.rand(400, 6, generator=g).argsort(1) < torch.randint(
        2, 5, (400, 1), generator=g
    )
    return joint, x, missing


def blunt(joint, x):
    """A guide that leans to one side, and too narrow for what is missing."""
    return dist.Normal(joint.posterior_mean(x) + 0.2, 0.3).to_event(1)


def truth(joint, x, missing):
    """Returns E[x_mis|x_obs], Var[x_d|x_obs], log p(x_obs), and log p(x_obs, x_d) by datum."""
    covariance = joint.weight @ joint.weight.T + joint.variance.diag()
    mean, variance, log_evidence, log_joint = (
        x.clone(),
        torch.zeros_like(x),
        x.new_zeros(len(x)),
        torch.zeros_like(x),
    )
    for i, lost in enumerate(missing):
        residual = (x[i] - joint.loc)[~lost]
        gain = torch.linalg.solve(covariance[~lost][:, ~lost], residual)
        mean[i, lost] = joint.loc[lost] + covariance[lost][:, ~lost] @ gain
        explained = covariance[lost][:, ~lost] @ torch.linalg.solve(
            covariance[~lost][:, ~lost], covariance[~lost][:, lost]
        )
        variance[i, lost] = (covariance[lost][:, lost] - explained).diagonal()
        for target, dims in (
            (None, ~lost),
            *((d, (~lost) | (torch.arange(6) == d)) for d in lost.nonzero()),
        ):
            marginal = dist.MultivariateNormal(joint.loc[dims], covariance[dims][:, dims])
            if target is None:
                log_evidence[i] = marginal.log_prob(x[i, dims])
            else:
                log_joint[i, target] = marginal.log_prob(x[i, dims])
    return mean, variance, log_evidence, log_joint


def is_centred(values, weights):
    """Whether the mean of weights·values (N, D) is 0 in every dimension, by the normal limit."""
    products = weights.unsqueeze(1) * values
    error = products.std(0) / math.sqrt(len(products))
    return bool((products.mean(0).abs() < Z * error + 1e-12).all())


JOINT, X, MISSING = factor_analysis()
MEAN, VARIANCE, LOG_EVIDENCE, LOG_JOINT = truth(JOINT, X, MISSING)


def run(x=X, particles=60, rounds=2):
    torch.manual_seed(0)
    return impute(
        JOINT, Posterior(lambda x: blunt(JOINT, x)), x, MISSING, JOINT.loc, particles, rounds
    )


def evidence_is_unbiased():
    ratio = run().log_evidence - LOG_EVIDENCE
    return is_unbiased(ratio) and e_value_accepts(ratio)


def means_are_conditional_expectations():
    found = run()
    weights = (found.log_evidence - LOG_EVIDENCE).exp()
    return is_centred(found.mean - MEAN, weights)


def draws_have_the_conditional_mean_and_variance():
    found = run()
    error, weights = found.draw - MEAN, (found.log_evidence - LOG_EVIDENCE).exp()
    return is_centred(error, weights) and is_centred(error.square() - VARIANCE, weights)


def predictive_densities_are_unbiased():
    found = run()
    ratio = (found.log_evidence.unsqueeze(1) + found.log_predictive - LOG_JOINT)[MISSING]
    return is_unbiased(ratio) and not found.log_predictive[~MISSING].any()


def missing_values_are_not_looked_at():
    one, other = run(), run(torch.where(MISSING, X + 5, X))
    same = [
        torch.equal(getattr(one, name)[MISSING], getattr(other, name)[MISSING])
        for name in ("mean", "draw")
    ]
    return all(same) and torch.equal(one.effective_size, other.effective_size)


CHECKS = [
    evidence_is_unbiased,
    means_are_conditional_expectations,
    draws_have_the_conditional_mean_and_variance,
    predictive_densities_are_unbiased,
    missing_values_are_not_looked_at,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_imputation_is_exact_in_expectation(check):
    assert check()


def weights_see_what_is_missing(patch):
    """p(x|z) instead of p(x_obs|z)."""
    original = Weighted.__init__

    def bug(self, proposal, x, missing, count):
        original(self, proposal, x, torch.zeros_like(missing), count)
        self.missing = missing

    patch.setattr(Weighted, "__init__", bug)


def the_prior_is_forgotten(patch):
    original = Weighted.model_terms
    patch.setattr(
        Weighted,
        "model_terms",
        lambda self, u: (torch.zeros(len(u)).double(), original(self, u)[1]),
    )


def weights_are_not_normalised(patch):
    original = torch.Tensor.logsumexp
    moments = Weighted.moments

    def bug(self):
        with pytest.MonkeyPatch.context() as inner:  # the sum over particles taken for their number
            inner.setattr(
                torch.Tensor,
                "logsumexp",
                lambda t, dim: (
                    torch.full_like(t[0], math.log(len(t)))
                    if t is self.log_weights
                    else original(t, dim)
                ),
            )
            return moments(self)

    patch.setattr(Weighted, "moments", bug)


def every_row_by_its_own_component(patch):
    """The density of the component that a row came from, in place of the mixture's."""

    def bug(self, u, log_prior, log_shares):
        components = torch.stack([*(joint.log_guide(u) for joint in self.joints), log_prior])
        total = len(u) // len(self.joints[0].batch[0])
        own = torch.repeat_interleave(
            torch.arange(len(components)), (log_shares.exp() * total).round().long()
        )
        rows = own.repeat_interleave(len(u) // total)
        return components.gather(0, rows.unsqueeze(0))[0] + log_shares[0]

    patch.setattr(Proposal, "log_prob", bug)


def the_guide_is_taken_for_the_posterior(patch):
    """Every draw of q counts alike: the chain of Rezende et al. 2014 without its correction."""
    original = Weighted.__init__

    def bug(self, *arguments):
        original(self, *arguments)
        self.log_weights = (
            self.log_weights.logsumexp(0)
            - math.log(self.count)
            + torch.zeros_like(self.log_weights)
        )

    patch.setattr(Weighted, "__init__", bug)


def the_expectation_is_called_a_draw(patch):
    """Centred, but the spread is gone."""
    patch.setattr(
        Weighted, "draws", lambda self, number: (self.moments()[0] for _ in range(number))
    )


@pytest.mark.parametrize(
    "bug",
    [
        weights_see_what_is_missing,
        the_prior_is_forgotten,
        weights_are_not_normalised,
        every_row_by_its_own_component,
        the_guide_is_taken_for_the_posterior,
        the_expectation_is_called_a_draw,
    ],
    ids=lambda bug: bug.__name__,
)
def test_a_planted_bug_is_rejected(bug, monkeypatch):
    bug(monkeypatch)
    assert not all(check() for check in CHECKS)


def test_particles_in_several_chunks_are_the_same_particles(monkeypatch):
    """Streaming changes memory, not results."""
    whole = run()
    monkeypatch.setattr(
        chunks, "CHUNK_FLOATS", 6 * 400 * 7
    )  # the 60 particles of 400 data in chunks of 7
    assert 8 * 400 * 7 // 60 < 400  # and the data in blocks
    torch.manual_seed(0)
    parts = run()
    assert parts.mean.shape == whole.mean.shape and torch.equal(parts.mean[~MISSING], X[~MISSING])
    monkeypatch.setattr(chunks, "CHUNK_FLOATS", 2**22)
    weighted = Weighted(
        Proposal([Joint(JOINT, Posterior(lambda x: blunt(JOINT, x)), (X,))]),
        X,
        MISSING,
        60,
    )
    mean, log_predictive = weighted.moments()
    monkeypatch.setattr(chunks, "CHUNK_FLOATS", 6 * 400 * 7)
    for one, other in zip(weighted.moments(), (mean, log_predictive), strict=True):
        torch.testing.assert_close(one, other)


def test_rounds_help_where_the_guide_has_seen_whole_data_only():
    """With the exact posterior of whole data as the guide, paired, one-sided at α = 1e-6."""
    sizes = []
    for rounds in (1, 3):
        torch.manual_seed(0)
        found = impute(JOINT, Posterior(JOINT.posterior), X, MISSING, JOINT.loc + 3.0, 200, rounds)
        sizes.append(found.effective_size)
    gain = sizes[1] - sizes[0]
    assert float(gain.mean()) > 4.8 * float(gain.std()) / math.sqrt(len(gain))


def test_everything_missing_is_the_model_itself():
    everything = torch.ones(6, dtype=torch.bool)
    torch.manual_seed(0)
    found = impute(JOINT, Posterior(JOINT.posterior), X, everything, JOINT.loc, 300)
    assert is_unbiased(found.log_evidence)  # p(nothing) = 1
    assert isinstance(found, Imputation) and found.particles == 300


def test_another_support_and_counts():
    """Gamma-Poisson changes variables, as z > 0: E[x_mis|x_obs] = (a + Σx_obs)/(b + n_obs)."""
    joint = GammaPoisson(2.0, 0.5, counts=4)
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((300,))).sample()
    missing = torch.tensor([True, False, True, False])
    guide = Posterior(lambda x: dist.Gamma(2.0 + x.sum(1, keepdim=True), 0.5 + 3.0).to_event(1))
    found = impute(joint, guide, x, missing, x.mean(0), 60)
    seen = GammaPoisson(2.0, 0.5, counts=2)
    expected = ((2.0 + x[:, ~missing].sum(1)) / (0.5 + 2)).unsqueeze(1)
    ratio = found.log_evidence - seen.log_prob(x[:, ~missing])
    assert is_unbiased(ratio) and is_centred((found.mean - expected)[:, missing], ratio.exp())


def test_a_likelihood_that_does_not_factorise_is_refused():
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            return pyro.sample("x", dist.MultivariateNormal(z, torch.eye(2)), obs=x)

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x, 1.0).to_event(1))

    with pytest.raises(UnsupportedPair, match="'x': MultivariateNormal does not factorise"):
        impute(model, guide, torch.zeros(3, 2), torch.tensor([True, False]), torch.zeros(2))


def test_too_few_particles_are_refused():
    with pytest.raises(ValueError, match="num_particles=5"):
        run(particles=5)


@pytest.mark.parametrize(
    ("observed", "is_filled"), [(lambda x: x.clone(), True), (lambda x: 2 * x, False)]
)
def test_what_is_filled_in_is_what_the_model_observes(observed, is_filled):
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z.expand(-1, 2), 1.0).to_event(1), obs=observed(x))

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))

    x, missing = torch.tensor([[1.0, 0.0], [-0.5, 0.0]]), torch.tensor([False, True])
    if not is_filled:
        with pytest.raises(UnsupportedPair, match="'x' does not observe the first column"):
            impute(model, guide, x, missing, torch.zeros(2), 20, 1)
        return
    found = impute(model, guide, x, missing, torch.zeros(2), 4000, 1)
    assert (found.mean[:, 1] - x[:, 0] / 2).abs().max() < 0.15 and torch.equal(
        found.mean[:, 0], x[:, 0]
    )
