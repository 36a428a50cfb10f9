"""Draws of p(z|x) by coupled chains: without bias where the truth is known, and bugs are seen.

Every check is of a mean over independent data, at a two-sided normal quantile of α = 1e-6.
"""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

from evidence import Coupling, UnsupportedPair, elbo, eubo, iw_eubo, posterior_draws
from evidence import kernel as module
from evidence.coupling import _lags, coupled_chains
from evidence.draws import PosteriorDraws
from evidence.hmc import Path
from evidence.joint import Joint
from evidence.kernel import Kernel
from evidence.normals import Normals
from evidence.recording import Calls, recorded
from models.joints import FactorAnalysis, GammaPoisson, Posterior

Z99 = 4.9
# Chains that few proposals bring together: most need corrections, which are what is tested.
EARLY = Coupling(leapfrogs=2, lag=1, burn_in=1)
# For the bugs: chains that walk widely, so that what is wrong with the walk shows.
WALKING = Coupling(leapfrogs=1, lag=4, burn_in=4)
LATE = Coupling(leapfrogs=1, lag=20, burn_in=1)
WIDE_WALK = 0.7
DATA = 2000


@pytest.fixture(autouse=True)
def frozen_noise(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(module, "PROPOSALS", 1)
    monkeypatch.setattr(module, "TUNING_STEPS", 20)


def z_score(values, truth):
    return abs(float(values.mean()) - truth) / (float(values.std()) / math.sqrt(len(values)))


def linear(data=DATA):
    """A posterior with a correlation of 0.38, a guide without, and `data` times one datum."""
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    joint = FactorAnalysis(weight, torch.tensor([0.0, 1.0, -1.0, 2.0]), 0.64)
    x = joint.conditional(joint.prior().sample((1,))).sample().repeat(data, 1)
    return joint, Posterior(joint.best_mean_field), x


def scores(plan=EARLY):
    """How far means, squares and a product of the latents are from those of the posterior."""
    joint, guide, x = linear()
    truth = joint.posterior(x[:1])
    mean, covariance = truth.mean[0], truth.covariance_matrix[0]
    draws = posterior_draws(joint, guide, x, plan)
    assert draws.never_met == 0
    found = [
        z_score(draws.expectation(lambda x, z, d=d: z["z"][:, d]), float(mean[d])) for d in (0, 1)
    ]
    seconds = covariance + torch.outer(mean, mean)
    for i, j in ((0, 0), (0, 1), (1, 1)):
        product = draws.expectation(lambda x, z, i=i, j=j: z["z"][:, i] * z["z"][:, j])
        found.append(z_score(product, float(seconds[i, j])))
    return found, draws


def test_moments_are_those_of_the_posterior():
    found, draws = scores()
    assert max(found) < Z99, found
    assert len(draws.rows.unique()) > DATA / 4, "too few corrections to test"


def test_data_that_take_long_have_a_lag_of_their_own(monkeypatch):
    monkeypatch.setattr("evidence.coupling.LONGEST", 4)
    monkeypatch.setattr("evidence.coupling.EARLIEST", 12)
    found, draws = scores(Coupling(leapfrogs=2))
    assert max(found) < Z99, found
    quick, slow = draws.lag.unique().tolist()
    assert quick == 4 < slow and int(draws.burn_in.min()) == 12
    assert bool((draws.burn_in == 2 * draws.lag)[draws.lag == slow].all())
    assert DATA / 10 < int((draws.lag == slow).sum()) < DATA


def walking(patch):
    """Chains that walk widely and do nothing else that brings them together."""
    patch.setattr(module, "WALK", WIDE_WALK)
    patch.setattr(Kernel, "_resampled", lambda kernel, chains, count: chains)


def without_corrections(patch):
    """corrections left out although chains met late"""
    right = PosteriorDraws.expectation

    def wrong(draws, h):
        return right(draws, h) if not len(draws.rows) else h(draws.x, draws.latents).double()

    patch.setattr(PosteriorDraws, "expectation", wrong)


def without_a_lag(patch):
    """the second chain starts with the first"""
    patch.setattr(Kernel, "alone", lambda kernel, point: point)


def first_ones_proposal(patch):
    """the second chain is offered the first one's proposal"""
    patch.setattr(
        module,
        "reflection_maximal",
        lambda apart, walk: (walk + apart, torch.ones(len(walk), dtype=torch.bool)),
    )


def second_marginal_off(patch):
    """a coupling whose second marginal is no normal distribution"""
    right = module.reflection_maximal

    def wrong(apart, walk):
        other, meets = right(apart, walk)
        return torch.where(meets.unsqueeze(1), other, walk + 0.5 * apart), meets

    patch.setattr(module, "reflection_maximal", wrong)


def adapted_along_the_way(patch):
    """step sizes adapted to where the chains are"""
    right = Kernel.alone, Kernel.coupled

    def adapt(kernel, point):
        kernel.step = torch.where(point.u[:, 0] > 0, 0.02, 0.6).double()

    def alone(kernel, point):
        adapt(kernel, point)
        return right[0](kernel, point)

    def coupled(kernel, one, other):
        adapt(kernel, one)
        return right[1](kernel, one, other)

    patch.setattr(Kernel, "alone", alone)
    patch.setattr(Kernel, "coupled", coupled)


def starts_of_two_kinds(patch):
    """the first chain always starts from q, the second from p"""

    def wrong(kernel):
        joint = kernel.path.joint
        return kernel._at(joint.draw_guide(1)), kernel._at(joint.draw_prior(1))

    patch.setattr(Kernel, "starts", wrong)


def its_own_uniform(patch):
    """the second chain accepts the first one's proposal by its own uniform"""
    right = Kernel._walked

    def wrong(kernel, chains, count):
        if count == 1:
            return right(kernel, chains, count)
        one, _ = chains.chunk(2)
        proposal = one.u + WIDE_WALK * kernel.scale * torch.randn_like(one.u)
        new = kernel._at(proposal.repeat(2, 1))
        ratio = (new.log_joint - chains.log_joint).exp()
        return new.where(torch.rand_like(ratio) < ratio, chains)

    patch.setattr(Kernel, "_walked", wrong)


def weights_without_r(patch):
    """proposals weighed by p(x, z) alone"""
    patch.undo()
    torch.manual_seed(0)
    patch.setattr(module, "PROPOSALS", 4)
    patch.setattr(module, "TUNING_STEPS", 5)
    patch.setattr(module, "_weight", lambda state: state.log_joint)


def proposals_from_the_prior(patch):
    """proposals drawn from p(z), and weighed as if from half of each"""
    patch.undo()
    torch.manual_seed(0)
    patch.setattr(module, "PROPOSALS", 4)
    patch.setattr(module, "TUNING_STEPS", 5)
    patch.setattr(Path, "draw", lambda path, chains: path.joint.draw_prior(chains))


@pytest.mark.parametrize(
    "bug",
    [
        its_own_uniform,
        weights_without_r,
        proposals_from_the_prior,
        without_corrections,
        without_a_lag,
        first_ones_proposal,
        second_marginal_off,
        adapted_along_the_way,
        starts_of_two_kinds,
    ],
    ids=lambda bug: bug.__doc__,
)
def test_a_planted_bug_is_seen(bug, monkeypatch):
    walking(monkeypatch)
    bug(monkeypatch)
    found, _ = scores(LATE if bug is without_a_lag else WALKING)
    assert max(found) > Z99, found


def test_the_wide_walk_itself_is_right(monkeypatch):
    """What the bugs are planted in passes."""
    walking(monkeypatch)
    found, _ = scores(WALKING)
    assert max(found) < Z99, found


@pytest.mark.parametrize("plan", [EARLY, Coupling()], ids=["early", "tuned"])
def test_the_upper_bound_has_its_expectation(plan):
    """The EUBO is log p(x) + KL(p(z|x)‖q(z|x)), which is known here."""
    joint, guide, x = linear(DATA if plan is EARLY else 300)
    p, q = joint.posterior(x[:1]), joint.best_mean_field(x[:1])
    p = dist.MultivariateNormal(p.mean, p.covariance_matrix)
    q = dist.MultivariateNormal(q.mean, q.variance.diag_embed())
    kl = float(torch.distributions.kl_divergence(p, q))
    found = posterior_draws(joint, guide, x, plan).upper(lambda x, z: eubo(joint, guide, x, z))
    assert found.kind == "upper"
    assert z_score(found.per_datum, float(joint.log_prob(x[:1])) + kl) < Z99


def test_chains_that_have_not_met_are_infinite_and_counted():
    joint, guide, x = linear(50)
    plan = Coupling(leapfrogs=1, most_steps=3, lag=1, burn_in=1)
    found = posterior_draws(joint, guide, x, plan).upper(lambda x, z: eubo(joint, guide, x, z))
    assert found.details.never_met == int(found.per_datum.isinf().sum()) > 0
    assert found.details.total_variation == math.inf


def seeded(x, latents):
    """A planted bug: the same noise in every evaluation of h."""
    joint, guide, _ = linear(1)
    values = []
    for row in range(x.size):
        torch.manual_seed(1)
        drawn = {name: z[[row]] for name, z in latents.items()}
        values.append(iw_eubo(joint, guide, x.rows(slice(row, row + 1)), drawn, 5).per_datum)
    return torch.cat(values)


def test_every_evaluation_has_noise_of_its_own():
    """At one and the same z, values of h differ by their noise, and so do their corrections."""
    joint, guide, x = linear(20)
    draws = posterior_draws(joint, guide, x, EARLY)
    found = []

    def noise_of(h):
        def alike(x, latents):
            same = {name: z[:1].expand(len(z), -1) for name, z in latents.items()}
            found.append(h(x, same))
            return found[-1]

        draws.expectation(alike)
        return len(found[-1].unique())

    every = 20 + len(draws.rows)
    assert noise_of(lambda x, z: iw_eubo(joint, guide, x, z, 5).per_datum) == every > 20
    assert noise_of(seeded) == 1, "the planted bug is seen"


def two_modes(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z.abs(), 0.3).to_event(1), obs=x)


def one_mode(x):
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(torch.full((len(x), 1), 1.4), 0.3).to_event(1))


def first(x, latents):
    return latents["z"][:, 0]


def test_a_mode_that_the_guide_does_not_cover_is_found_by_the_prior(monkeypatch):
    monkeypatch.setattr(module, "PROPOSALS", 8)
    draws = posterior_draws(two_modes, one_mode, torch.full((DATA, 1), 1.5), EARLY)
    assert draws.never_met == 0 and len(draws.rows) > DATA / 4
    assert z_score(draws.expectation(first), 0.0) < Z99


def far_log_likelihood(z):
    """A mode at 5, and one at 0 that is e⁻¹³ as high."""
    modes = torch.stack([-0.5 * ((z - 5) / 0.1) ** 2, -0.5 * (z / 0.1) ** 2 - 13.0])
    return torch.nn.functional.logsigmoid(modes.logsumexp(0) - 9.0)


def far_mode(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        logits = far_log_likelihood(z)
        pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)


def beside_it(x):
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(torch.full((len(x), 1), 4.3), 0.1).to_event(1))


def test_modes_that_only_pilots_find_are_proposed(monkeypatch):
    """A mode is 5 sd off in p(z) and 7 in q(z|x), and another keeps what starts in p(z)."""
    monkeypatch.setattr(module, "PROPOSALS", 8)
    grid = torch.linspace(-2, 7, 90_001, dtype=torch.float64)
    log_posterior = far_log_likelihood(grid) + dist.Normal(0.0, 1.0).log_prob(grid)
    mean = float((log_posterior.softmax(0) * grid).sum())
    plan, x = Coupling(leapfrogs=3, most_steps=200, lag=5, burn_in=10), torch.ones(200, 1)
    draws = posterior_draws(far_mode, beside_it, x, plan)
    assert draws.never_met == 0 and 1 < mean < 4.5
    assert z_score(draws.expectation(first), mean) < Z99
    # A planted bug: what is fitted is proposed, and weighed as if it came from q and p.
    monkeypatch.setattr(Normals, "log_density", lambda normals, u: 0 * u[:, 0].double() - math.inf)
    draws = posterior_draws(far_mode, beside_it, x, plan)
    assert z_score(draws.expectation(first), mean) > Z99


def test_chains_that_have_not_met_may_not_be_dropped(monkeypatch):
    """Chains that cannot change modes meet in one alone, most often in that of the guide."""
    walking(monkeypatch)
    plan = Coupling(leapfrogs=1, most_steps=20, lag=1, burn_in=1)
    draws = posterior_draws(two_modes, one_mode, torch.full((DATA, 1), 1.5), plan)
    found = draws.expectation(first)
    kept = found[found.isfinite()]
    assert 200 < len(kept) == DATA - draws.never_met < DATA
    assert z_score(kept, 0.0) > Z99, "the planted bug is seen"


def test_a_datum_keeps_its_own_rows(monkeypatch):
    """More data than a part, all different: each posterior's mean is its own."""
    monkeypatch.setattr("evidence.chunks.CHUNK_FLOATS", 2**10)
    joint, guide, _ = linear(1)
    x = joint.conditional(joint.prior().sample((40,))).sample().repeat_interleave(4, 0)
    draws = posterior_draws(joint, guide, x, EARLY)
    truth = joint.posterior(x)
    for d in (0, 1):
        error = draws.expectation(lambda x, z, d=d: z["z"][:, d]) - truth.mean[:, d]
        assert z_score(error * truth.mean[:, d].sign(), 0.0) < Z99
        assert z_score(error * x[:, 0], 0.0) < Z99
    assert torch.equal(draws.x.x, x) and int(draws.rows.max()) > 125


def test_constrained_latents():
    """A positive latent, and a posterior in closed form: its mean is (a + Σx)/(b + n)."""
    joint = GammaPoisson(2.0, 0.5, counts=3)
    x = torch.tensor([[1.0, 4.0, 2.0]]).repeat(1000, 1)

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Gamma(2.0, 1.0).expand((1,)).to_event(1))

    draws = posterior_draws(joint, guide, x, EARLY)
    assert z_score(draws.expectation(lambda x, z: z["z"][:, 0]), 9.0 / 3.5) < Z99


def test_a_mode_that_no_start_leads_to_remains_unseen():
    """The chains have met, and the upper bound is below log p(x): what `bracket` cannot promise."""

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            # x = 0 where z is near 1, and more likely where it is near −9.
            logit = torch.logaddexp(-0.5 * (z - 1) ** 2, 45 - 0.5 * ((z + 9) / 0.1) ** 2) - 60.0
            pyro.sample("x", dist.Bernoulli(logits=logit).to_event(1), obs=x)

    def guide(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(torch.full((len(x), 1), 0.5), 0.7).to_event(1))

    x = torch.ones(10, 1)
    z = torch.linspace(-12, 12, 240_001, dtype=torch.float64)
    spike, wide = 45 - 0.5 * ((z + 9) / 0.1) ** 2, -0.5 * (z - 1) ** 2
    likelihood = torch.nn.functional.logsigmoid(torch.logaddexp(wide, spike) - 60.0)
    prior = dist.Normal(0.0, 1.0).log_prob(z)
    truth = float((likelihood + prior).logsumexp(0)) + math.log(1e-4)
    draws = posterior_draws(model, guide, x)
    upper = draws.upper(lambda x, z: iw_eubo(model, guide, x, z, 50))
    assert upper.details.never_met == 0
    assert upper.mean < truth - 1


def test_what_is_no_upper_bound_is_refused():
    joint, guide, x = linear(5)
    draws = posterior_draws(joint, guide, x, EARLY)
    with pytest.raises(ValueError, match="give an upper bound"):
        draws.upper(lambda x, z: elbo(joint, guide, x, 3))
    with pytest.raises(ValueError, match="lag=0: must be at least 1"):
        Coupling(lag=0)
    with pytest.raises(UnsupportedPair):
        posterior_draws(lambda x: None, guide, x)


def test_the_law_of_the_second_chain_is_that_of_the_first():
    """Each marginal of a coupled step is the kernel: both leave exact posterior draws in place."""
    joint, guide, x = linear()
    kernel = Kernel(Joint(joint, guide, x), 2)
    p = joint.posterior(x)
    one, other = (kernel._at(p.sample().to(x)) for _ in range(2))
    for _ in range(4):
        one, other, _ = kernel.coupled(one, other)
    for point in (one, other):
        for d in (0, 1):
            assert z_score(point.u[:, d].double(), float(p.mean[0, d])) < Z99
            square = (point.u[:, d].double() - p.mean[0, d]).square()
            assert z_score(square, float(p.covariance_matrix[0, d, d])) < Z99


def test_recorded_chains_draw_the_same_noise():
    """Recorded and not compiled they are the same to the last bit; compiled ones round."""
    joint, guide, x = linear(30)
    found = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with recorded(enabled, into=Calls(None)) as calls:
            found.append(posterior_draws(joint, guide, x, EARLY))
    assert calls.why_eager is None and len(calls.graphs) > 2
    assert torch.equal(found[0].meeting, found[1].meeting)
    assert torch.equal(found[0].latents["z"], found[1].latents["z"])


def test_chains_stop_only_when_all_have_met():
    joint, guide, x = linear(30)
    kernel = Kernel(Joint(joint, guide, x), 3)
    found = coupled_chains(kernel, 1, 0, 2000)
    assert found.never_met == 0
    late = found.meeting[found.rows]
    assert bool((late > 1).all()) and len(found.rows) == 2 * int((found.meeting - 1).sum())


@pytest.mark.parametrize(
    ("meeting", "most", "lags"),
    [
        ([1, 3, 7], 5000, [7, 7, 7]),
        ([1, 125, 126], 5000, [125, 125, 126]),
        ([2, 300, 900, 3], 5000, [3, 900, 900, 3]),
        ([2, math.inf], 5000, [2, 1250]),
        ([2, math.inf], 100, [2, 125]),
        ([200, math.inf], 5000, [1250, 1250]),
        ([200, 300], 5000, [300, 300]),
    ],
)
def test_a_lag_is_the_longest_meeting_of_most_and_of_the_slow(meeting, most, lags):
    """Slow are data that took more than 125 steps; theirs is a quarter of all steps at most."""
    assert _lags(torch.tensor(meeting).double(), most).tolist() == lags


def test_a_reflection_keeps_the_length_of_a_step():
    """Where proposals do not coincide, the second step is the first one in a mirror: |η′| = |η|."""
    torch.manual_seed(0)
    walk, apart = torch.randn(1_000, 3), 2 * torch.randn(1_000, 3)
    other, meets = module.reflection_maximal(apart, walk)
    assert 0 < int(meets.sum()) < 1_000
    torch.testing.assert_close(other[~meets].norm(dim=1), walk[~meets].norm(dim=1))
    torch.testing.assert_close(other[meets], walk[meets] + apart[meets])
