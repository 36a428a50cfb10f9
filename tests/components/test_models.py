"""The models term by term: their joints, the sum over clusters, labels that matter, refusals."""

import copy
import itertools
import math
from dataclasses import replace

import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO
from torch import nn

from errors import RequestError
from evidence import elbo, iwae, log_weights
from evidence.batch import Batch
from evidence.training.optimizer import FusedAdam
from evidence.weights import draw
from experiment.build import build_pair
from inference.clustering import clustering_accuracy, clusters_of
from inference.fast.svi import FastSVI
from inference.metrics import split_metrics
from inference.objectives.elbo import ELBO
from models.distributions import Component
from tests.components.factories import (
    GUIDES,
    MODELS,
    PRIORS,
    SHAPE,
    cases,
    config,
    dataset,
    prepared,
)

LEGAL = {
    "vae": list(PRIORS),
    "hierarchical": list(PRIORS),
    "gmvae": ["mixture", "vamp"],
    "conditional": [prior for prior in PRIORS if prior != "vamp"],
    "semi_supervised": [prior for prior in PRIORS if prior != "vamp"],
}
# The two-sided normal quantile at 1e-9.
Z = 6.1
MODEL_AND_PRIOR = [
    pytest.param(model, case.values, id=f"{model}-{case.id}")
    for model in MODELS
    for case in cases("prior")
    if case.values[0] in LEGAL[model]
]


def made(model, prior=("mixture", {"components": 3}), guide="mean_field", **options):
    """Returns the pair in float64, its data, and a batch as the programs take it."""
    torch.manual_seed(0)
    data = prepared(dataset("binary"), model, options)
    chosen = config(model=(model, options), prior=prior, guide=(guide, GUIDES[guide][0]))
    model, guide = (part.double() for part in build_pair(chosen, data))
    whole = data.train[:]
    x, *labels = whole if isinstance(whole, tuple) else (whole,)
    return model, guide, data, (x.double(), *labels)


def log_prob(site):
    return site["fn"].log_prob(site["value"])


def test_every_model_says_which_priors_are_legal():
    assert set(LEGAL) == set(MODELS) and all(set(LEGAL[model]) <= set(PRIORS) for model in LEGAL)


@pytest.mark.parametrize(("model", "prior"), MODEL_AND_PRIOR)
def test_a_step_reaches_every_parameter_and_an_evaluation_is_finite(model, prior):
    model, guide, _, batch = made(model, prior)
    optimizer = FusedAdam((model, guide), learning_rate=1e-2)
    FastSVI(model, guide, optimizer, ELBO(), compiled=False).step(*batch)
    ELBO().differentiable_loss(model, guide, *batch).backward()
    for part in (model, guide):
        for key, parameter in part.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key
    weights = log_weights(model, guide, batch, 3)
    assert weights.shape == (3, len(batch[0])) and weights.isfinite().all()


@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("model", [model for model in MODELS if model != "vae"])
def test_every_guide_goes_with_every_model(model, guide):
    model, guide, _, batch = made(model, guide=guide)
    loss = ELBO().differentiable_loss(model, guide, *batch)
    loss.backward()
    assert loss.isfinite()
    drawn = draw(model, guide, batch, 2)
    for k in range(2):  # the same by Pyro's own traces
        latents, log_w = {name: z[k] for name, z in drawn.latents.items()}, 0.0
        for program, sign in ((model, 1), (guide, -1)):
            log_w += sign * summed_log_prob(program, latents, batch)
        torch.testing.assert_close(drawn.log_weights[k], log_w, atol=1e-7, rtol=1e-9)


def summed_log_prob(program, latents, batch):
    """The log-density of latents and x, summed over the label y where the program has that site."""
    has_y = "y" in poutine.trace(program).get_trace(*batch).nodes
    total = []
    for y in range(3) if has_y else [None]:
        given = latents if y is None else latents | {"y": torch.full((len(batch[0]),), y)}
        trace = poutine.trace(poutine.condition(program, data=given)).get_trace(*batch)
        trace.compute_log_prob()
        total.append(sum(trace.nodes[n]["log_prob"] for n in (*given, "x") if n in trace))
    return torch.stack(total).logsumexp(0)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_how_many_numbers_the_decoder_makes_for_a_datum(name):
    model, _, _, _ = made(name)
    assert model.floats_per_datum == math.prod(SHAPE)


# Two layers


@pytest.mark.parametrize(("name", "prior"), [case.values for case in cases("prior")])
@torch.no_grad()
def test_two_layers_are_the_product_of_their_terms(name, prior):
    model, guide, _, (x,) = made("hierarchical", (name, prior), top_dim=3)
    particles = draw(model, guide, (x,), 4)
    z1, z2 = (particles.latents[site].flatten(0, 1) for site in ("z1", "z2"))
    assert z1.shape[1:] == (2,) and z2.shape[1:] == (3,)
    rows = x.repeat(4, 1)
    middle = model.middle(model.top_down(z2)).log_prob(z1)
    likelihood = model.likelihood(model.decoder(torch.cat([z1, z2], -1))).log_prob(rows)
    joint = model.prior().log_prob(z2) + middle + likelihood
    q = guide.posterior(rows).log_prob(z1) + guide.top_posterior(z1).log_prob(z2)
    assert particles.log_weights.flatten().numpy() == pytest.approx((joint - q).numpy(), abs=1e-9)


@torch.no_grad()
def test_each_layer_is_read_by_those_below():
    """Moving z2 moves p(z1|z2) and p(x|z1, z2); moving z1 moves p(x|·) and q(z2|z1)."""
    model, guide, _, (x,) = made("hierarchical")
    guide_trace = poutine.trace(guide).get_trace(x)
    z = {site: guide_trace.nodes[site]["value"] for site in ("z1", "z2")}

    def terms(latents):
        trace = poutine.trace(poutine.condition(model, data=latents)).get_trace(x)
        q = poutine.trace(poutine.condition(guide, data=latents)).get_trace(x)
        return {
            "x": log_prob(trace.nodes["x"]),
            "z1": log_prob(trace.nodes["z1"]),
            "q2": log_prob(q.nodes["z2"]),
        }

    here = terms(z)
    for moved, changed in (("z1", {"x", "z1", "q2"}), ("z2", {"x", "z1", "q2"})):
        there = terms(z | {moved: z[moved] + 1})
        assert {key for key in here if not torch.allclose(here[key], there[key])} == changed


# Clusters


def loss_and_slope(loss, model, guide, batch, program=None):
    torch.manual_seed(1)
    value = loss.differentiable_loss(program or model, guide, *batch)
    slopes = torch.autograd.grad(value, [*model.parameters(), *guide.parameters()])
    return torch.cat([value.flatten(), *(slope.flatten() for slope in slopes)]).detach().numpy()


def clustered(prior):
    """Returns a gmvae whose clusters differ in weight, too, and a batch."""
    model, guide, _, batch = made("gmvae", (prior, {"components": 3}))
    with torch.no_grad():
        for parameter in (*model.parameters(), *guide.parameters()):
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, guide, batch


@pytest.mark.parametrize("prior", LEGAL["gmvae"])
@pytest.mark.parametrize("particles", [1, 3])
def test_enumeration_is_the_sum_in_closed_form(prior, particles):
    """For every draw, Σ_y p(y) p(z|y) by TraceEnum_ELBO is p(z), and so is its gradient."""
    model, guide, batch = clustered(prior)
    closed = loss_and_slope(Trace_ELBO(num_particles=particles), model, guide, batch)
    enumerating = TraceEnum_ELBO(num_particles=particles, max_plate_nesting=1)
    enumerated = loss_and_slope(enumerating, model, guide, batch, model.joint)
    assert enumerated == pytest.approx(closed, rel=1e-8, abs=1e-10)
    assert loss_and_slope(ELBO(particles), model, guide, batch) == pytest.approx(
        enumerated, rel=1e-12, abs=1e-12
    )


def test_clusters_of_equal_weight_are_caught():
    """The planted bug is a program with y that forgets p(y)."""
    model, guide, batch = clustered("mixture")
    forgetful = copy.deepcopy(model)
    right = forgetful.prior.forward
    uniform = dist.Categorical(torch.ones(3).double())
    forgetful.prior.forward = lambda: dist.MixtureSameFamily(
        uniform, right().component_distribution
    )
    enumerating = TraceEnum_ELBO(max_plate_nesting=1)
    losses = []
    for program in (forgetful.joint, model.joint):
        torch.manual_seed(1)
        losses.append(enumerating.differentiable_loss(program, guide, *batch).item())
    torch.manual_seed(1)
    closed = Trace_ELBO().differentiable_loss(model, guide, *batch).item()
    assert losses[1] == pytest.approx(closed, rel=1e-12) and losses[0] != pytest.approx(
        closed, rel=1e-6
    )


def test_training_enumerates(monkeypatch):
    model, guide, batch = clustered("mixture")
    ran, joint = [], model.joint
    monkeypatch.setattr(model, "joint", lambda x: ran.append("joint") or joint(x))
    monkeypatch.setattr(model, "forward", lambda x: ran.append("closed form"))
    optimizer = FusedAdam((model, guide), learning_rate=1e-3)
    FastSVI(model, guide, optimizer, ELBO(), compiled=False).step(*batch)
    assert set(ran) == {"joint"}


def test_the_enumerated_program_has_the_cluster_as_a_site_and_the_other_has_not():
    model, _, _, (x,) = made("gmvae")
    assert "y" in poutine.trace(model.joint).get_trace(x).nodes
    assert "y" not in poutine.trace(model).get_trace(x).nodes


def components():
    g = torch.Generator().manual_seed(0)
    locs, scales = (
        torch.randn(3, 2, generator=g).double(),
        torch.rand(3, 2, generator=g).double() + 0.5,
    )
    return dist.Normal(locs, scales).to_event(1), locs, scales


@pytest.mark.parametrize("shape", [(5,), (3, 1), (4, 5)])
def test_a_component_is_scored_as_its_own_normal(shape):
    each, locs, scales = components()
    y = torch.randint(3, shape)
    z = torch.randn(5, 2).double()
    expected = dist.Normal(locs[y], scales[y]).log_prob(z).sum(-1)
    assert torch.allclose(Component(each, y).log_prob(z), expected)


def test_draws_of_a_component_are_its_own():
    each, locs, scales = components()
    y = torch.tensor([2, 0])
    z = Component(each, y).sample((5000,))
    assert z.shape == (5000, 2, 2)
    error = scales[y] / math.sqrt(5000)
    assert ((z.mean(0) - locs[y]).abs() < Z * error).all()  # 4 normal averages: P(fail) < 4e-9


@torch.no_grad()
def test_cluster_probabilities_are_bayes_rule():
    model, _, _, _ = made("gmvae")
    with torch.no_grad():
        model.prior.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
    z = torch.randn(6, 2).double()
    prior = model.prior()
    joint = torch.stack(
        [
            Component(prior.component_distribution, torch.full((6,), y)).log_prob(z)
            for y in range(3)
        ],
        -1,
    )
    expected = torch.softmax(joint + torch.tensor([0.0, 1.0, -1.0]), -1)
    assert torch.allclose(model.cluster_probabilities(z), expected)


@pytest.mark.parametrize(
    ("clusters", "labels", "accuracy"),
    [
        ([2, 2, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2], 1.0),  # names of clusters mean nothing
        ([0, 0, 0, 0], [0, 0, 1, 1], 0.5),  # one cluster is one label's
        ([0, 1, 2, 3], [0, 0, 1, 1], 0.5),  # and each label has one cluster
        ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0], 4 / 6),
        # Greedy matching (0 ↔ 0 first with 3 right, then 1 ↔ 1 with none) would give 3/7; the best
        # matching is 0 ↔ 1 and 1 ↔ 0.
        ([0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0, 0], 4 / 7),
        # Labels are values, no indices: −1 is one of its own, and 2000007 makes no million others.
        ([0, 0, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, -1, -1, -1, -1], 6 / 8),
        ([0, 0, 1, 1], [2000007, 2000007, -5, -5], 1.0),
    ],
)
def test_clustering_accuracy_by_hand(clusters, labels, accuracy):
    assert clustering_accuracy(torch.tensor(clusters), torch.tensor(labels)) == pytest.approx(
        accuracy
    )


def test_clustering_accuracy_is_the_best_of_all_matchings():
    clusters, labels = torch.randint(4, (40,)), torch.randint(4, (40,))
    best = max(
        (torch.tensor(m)[clusters] == labels).double().mean().item()
        for m in itertools.permutations(range(4))
    )
    assert clustering_accuracy(clusters, labels) == pytest.approx(best)


def test_accuracy_is_reported_where_labels_exist():
    """It is 1 if each label has its own cluster, of any number, and ⅓ if all data share one."""
    model, guide, data, _ = made("gmvae")
    model, guide, count = model.float(), guide.float(), len(data.valid)
    centres = torch.tensor([[-9.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    model.prior.locs.data.copy_(centres[[1, 2, 0]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guide, "forward", lambda x: centres[data.valid.labels[: len(x)]])
        clusters = clusters_of(model, guide, Batch.of(data.valid[:]))
        assert clustering_accuracy(clusters, data.valid.labels) == 1.0
    model.prior.logits.data.copy_(torch.tensor([500.0, 0.0, 0.0]))
    assert split_metrics(model, guide, data.valid, count, seed=0)[
        "clustering_accuracy"
    ] == pytest.approx(1 / 3)


def test_accuracy_is_not_reported_without_labels_or_clusters():
    for name, keep in (("gmvae", False), ("vae", True)):
        model, guide, data, _ = made(name)
        split = data.valid if keep else replace(data.valid, labels=None)
        assert "clustering_accuracy" not in split_metrics(
            model.float(), guide.float(), split, 12, seed=0
        )


# Labels


def labels_matter(model, guide, x, y):
    """Tells whether other labels change p(x|z, y) and q(z|x, y), and leave p(z) as it is."""
    other = (y + 1) % model.classes
    torch.manual_seed(0)
    z = guide(x, y)

    def terms(label):
        trace = poutine.trace(poutine.condition(model, data={"z": z})).get_trace(x, label)
        return (
            log_prob(trace.nodes["x"]),
            log_prob(trace.nodes["z"]),
            guide.posterior(x, label).log_prob(z),
        )

    (p_x, p_z, q_z), (other_x, other_z, other_q) = terms(y), terms(other)
    return bool((p_x != other_x).all() and (q_z != other_q).all() and torch.equal(p_z, other_z))


@torch.no_grad()
def test_labels_matter_and_only_ones_own():
    model, guide, _, (x, y) = made("conditional")
    assert labels_matter(model, guide, x, y)
    alone = guide.posterior(x, y).mean[:1]
    assert torch.allclose(guide.posterior(x, torch.cat([y[:1], (y[1:] + 1) % 3])).mean[:1], alone)


@torch.no_grad()
def test_labels_that_are_not_read_are_caught():
    model, guide, _, (x, y) = made("conditional")
    nn.init.zeros_(
        next(model.decoder.parameters())[:, -model.classes :]
    )  # the weights of the label
    assert not labels_matter(model, guide, x, y)


@torch.no_grad()
def test_bounds_of_a_conditional_model_are_those_of_its_terms():
    model, guide, data, (x, y) = made("conditional")
    particles = draw(model, guide, (x, y), 5)
    z, rows, labels = particles.latents["z"].flatten(0, 1), x.repeat(5, 1), y.repeat(5)
    one_hot = torch.eye(model.classes).double()[labels]
    likelihood = model.likelihood(model.decoder(torch.cat([z, one_hot], -1))).log_prob(rows)
    log_w = model.prior().log_prob(z) + likelihood - guide.posterior(rows, labels).log_prob(z)
    assert particles.log_weights.flatten().numpy() == pytest.approx(log_w.numpy(), abs=1e-9)
    lower, tighter = (bound(model, guide, (x, y), 200) for bound in (elbo, iwae))
    assert lower.per_datum.shape == tighter.per_datum.shape == (len(x),)
    assert tighter.mean > lower.mean
    measured = split_metrics(model.float(), guide.float(), data.valid, 12, seed=0)
    assert (
        math.isfinite(measured["elbo"])
        and measured["elbo"] == measured["reconstruction"] - measured["kl"]
    )


# Refusals


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        (
            {"model": "hierarchical", "objective": "analytic_kl"},
            "objective=analytic_kl cannot be used with model=hierarchical",
        ),
        ({"model": ("hierarchical", {"top_dim": 0})}, r"model\.top_dim=0: must be at least 1"),
        ({"model": ("hierarchical", {"width": 0})}, r"model\.width=0: must be at least 1"),
        ({"model": ("conditional", {"features": 0})}, r"model\.features=0: must be at least 1"),
        *(
            ({"model": ("semi_supervised", {option: value})}, rf"model\.{option}={value}: must")
            for option, value in (("labels", 0), ("classifier_weight", -1.0))
        ),
        (
            {"model": "semi_supervised", "objective": "iwae"},
            "objective=iwae cannot be used with model=semi_supervised: .* use objective=elbo",
        ),
        (
            {"model": "conditional", "prior": "vamp"},
            r"prior=vamp: needs `posterior`, which model=conditional has not",
        ),
        *(
            (
                {"model": "gmvae", "prior": prior},
                rf"prior={prior} cannot be used with model=gmvae: .* prior=mixture",
            )
            for prior in sorted(set(PRIORS) - set(LEGAL["gmvae"]))
        ),
        (
            {"model": "vae", "prior": ("vamp", {"components": 99})},
            r"prior\.components=99: there are only 12 training examples",
        ),
        (
            {"model": "vae", "prior": ("vamp", {"components": 0})},
            r"prior\.components=0: must be at least 1",
        ),
    ],
)
def test_refused_in_one_line(choices, says):
    data = dataset("binary").with_labels()
    with pytest.raises(RequestError, match=rf"^{says}[^\n]*$"):
        build_pair(config(**choices), data)


def test_a_conditional_model_of_data_without_labels_is_refused():
    data = dataset("binary")
    unlabelled = replace(data, test=replace(data.test, labels=None))
    with pytest.raises(ValueError, match=r"^data=tiny has no labels"):
        unlabelled.with_labels()
    unlabelled = replace(data, train=replace(data.train, labels=None))
    with pytest.raises(ValueError, match=r"^data=tiny has no labels"):
        unlabelled.with_few_labels(3)
