"""Every combination of choices is trained and measured, and every number of it is finite.

By default each choice takes part at least once; `make verify` measures the whole product.
"""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from evaluation.files import save_evaluation
from evaluation.measure import Wanted, evaluate
from evaluation.plain import evaluation_json
from evidence.training.optimizer import FusedAdam
from experiment import Run
from experiment.build import all_likelihoods, build_objective, build_pair
from inference.fast.svi import FastSVI
from inference.refit import refit
from tests.components.factories import (
    MODELS,
    NETWORKS,
    OBJECTIVES,
    cases,
    config,
    dataset,
    prepared,
)
from tests.components.test_models import MODEL_AND_PRIOR
from tests.faults.test_standard_json import strict

PLAIN = [case.values for case in MODEL_AND_PRIOR]  # (model, (prior, its options))
# Numbers that may be infinite: k̂ of weights that are all equal.
UNBOUNDED = {("diagnostics", "pareto_k", "median")}


def turn(choices, number):
    return list(choices)[number % len(choices)]


def sample() -> Iterator[tuple]:
    """Each choice of each axis, and each option of it, with whatever is at its turn."""
    likelihoods, guides, networks = (
        [case.values for case in cases(axis)] for axis in ("likelihood", "guide", "network")
    )
    count = max(map(len, (likelihoods, guides, networks, PLAIN)))
    for i in range(count):
        yield (
            *turn(PLAIN, i),
            turn(likelihoods, i),
            turn(guides, i),
            turn(networks, i),
            turn(OBJECTIVES, i),
        )


def objective_for(model, name):
    """One that the model takes: several latents, or clusters, are not for all."""
    return name if model == "vae" else {"analytic_kl": "elbo", "dreg": "iwae"}.get(name, name)


def measured(tmp_path, model, prior, likelihood, guide, network, objective):
    torch.manual_seed(0)
    name, options = likelihood
    data = dataset(all_likelihoods()[name].spaces[0], examples=8, shape=(1, 4, 4))
    data = prepared(data, model)
    network = (network[0], network[1] | {"layers": 1})
    objective = objective_for(model, objective)
    if model in ("gmvae", "semi_supervised"):
        objective = "elbo"
    request = config(
        model=model,
        prior=prior,
        likelihood=(name, options),
        guide=guide,
        network=network,
        objective=objective,
    )
    pair = build_pair(request, data)
    svi = FastSVI(*pair, FusedAdam(pair, 1e-3), build_objective(request), compiled=False)
    for _ in range(2):
        svi.step(*next(data.train.shuffled(len(data.train))))
    for part in pair:
        part.eval()
    refit(*pair, data.train)
    run = Run(tmp_path, {}, *pair, data, 1)
    wanted = Wanted(particles=4, elbo_particles=2, limit=5, exact="off")
    found = evaluate(run, wanted)
    check(evaluation_json(found))
    save_evaluation(found, tmp_path)
    strict((tmp_path / "evaluation.json").read_text())
    with np.load(tmp_path / "evaluation.npz", allow_pickle=False) as arrays:
        assert all(np.isfinite(arrays[key]).all() for key in arrays)


def check(value, *path):
    """Every number is finite: what is written as null was not a NaN."""
    if isinstance(value, dict):
        for key, inner in value.items():
            check(inner, *path, key)
    elif isinstance(value, list | tuple):
        for inner in value:
            check(inner, *path)
    elif isinstance(value, float):
        assert math.isfinite(value) or path in UNBOUNDED, path


def test_the_sample_has_every_choice():
    chosen = list(sample())
    assert {c[0] for c in chosen} == set(MODELS)
    for axis, at in (("likelihood", 2), ("guide", 3), ("network", 4)):
        assert {str(c[at]) for c in chosen} == {str(case.values) for case in cases(axis)}
    assert {c[5] for c in chosen} == set(OBJECTIVES)


def name_of(combination):
    model, prior, likelihood, guide, network, objective = combination
    return "-".join((model, prior[0], likelihood[0], guide[0], network[0], objective))


@pytest.mark.parametrize("combination", [pytest.param(c, id=name_of(c)) for c in sample()])
def test_every_number_of_an_evaluation_is_finite(combination, tmp_path):
    measured(tmp_path, *combination)


@pytest.mark.verify
@pytest.mark.parametrize(("model", "prior"), MODEL_AND_PRIOR)
@pytest.mark.parametrize("likelihood", [case.values for case in cases("likelihood")])
def test_the_whole_product(model, prior, likelihood, tmp_path):
    for i, guide in enumerate(cases("guide")):
        network, objective = turn(NETWORKS, i), turn(OBJECTIVES, i + len(model) + len(prior[0]))
        network = (network, NETWORKS[network][0])
        measured(tmp_path, model, prior, likelihood, guide.values, network, objective)
