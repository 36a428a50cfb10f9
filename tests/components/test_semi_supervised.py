"""Labels that are known of a few training data: what training minimizes, and who sees them."""

from dataclasses import replace

import pytest
import torch
from torch.distributions import normal

from data.observation import as_float
from evaluation.exploration import explore
from evaluation.measure import Wanted, evaluate
from evaluation.plain import evaluation_json
from evidence.batch import Batch
from experiment import train
from inference.classification import classes_of, wrong
from inference.metrics import split_metrics
from inference.objectives.elbo import ELBO
from report.explain import remarks
from tests.components.factories import dataset
from tests.components.test_models import made


def bound_by_hand(model, guide, x, y, x_known, y_known):
    """Eq. 9 of Kingma et al. 2014 at z = E[z|x, y], by a loop over y."""

    def lower(y):
        z = guide.posterior(x, y).mean
        log_joint = model.prior().log_prob(z) + model.law(z, y).log_prob(x)
        return log_joint - torch.tensor(3.0).double().log() - guide.posterior(x, y).log_prob(z)

    log_q = guide.label(x).logits
    unlabelled = sum(
        log_q[:, k].exp() * (lower(torch.full_like(y, k)) - log_q[:, k]) for k in range(3)
    )
    bound = torch.where(y < 0, unlabelled, lower(y.clamp(min=0)))
    guessed = guide.label(x_known).logits.gather(1, y_known[:, None])[:, 0]
    return (bound + model.classifier_weight * guessed).sum()


@pytest.mark.parametrize("missing", [slice(0, 0), slice(0, 8), slice(None)])
def test_training_minimizes_the_objective_of_kingma_et_al(monkeypatch, missing):
    """The loss and the gradient of every parameter, with all, some and no labels."""
    model, guide, data, (x,) = made("semi_supervised", classifier_weight=0.3)
    monkeypatch.setattr(
        normal, "_standard_normal", lambda shape, **kind: torch.zeros(shape, **kind)
    )
    y = data.train.labels.clone()
    known = x.flip(0), y.flip(0)
    y[missing] = -1
    parameters = [*model.parameters(), *guide.parameters()]
    loss = ELBO().differentiable_loss(model, guide, x, y, *known)
    expected = -bound_by_hand(model, guide, x, y, *known)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    slopes, others = (
        torch.cat(
            [s.flatten() for s in torch.autograd.grad(of, parameters, materialize_grads=True)]
        )
        for of in (loss, expected)
    )
    assert torch.allclose(slopes, others, rtol=1e-9, atol=1e-10) and slopes.abs().sum() > 0
    with torch.no_grad():
        assert ELBO().differentiable_loss(model, guide, x, y, *known) == pytest.approx(loss.item())


def test_training_alone_is_told_a_few_labels_as_many_of_each():
    data = dataset("binary", examples=30)
    few = data.with_few_labels(6, seed=1)
    told = few.train.told
    assert (told >= 0).sum() == 6 and torch.equal(told[told >= 0].bincount(), torch.tensor([2] * 3))
    assert torch.equal(told[told >= 0], data.train.labels[told >= 0])
    assert not torch.equal(told, data.with_few_labels(6, seed=2).train.told)
    bare = replace(few.train, draw=as_float)
    x, y, x_known, y_known = next(bare.shuffled(30))
    assert len(x) == 30 and sorted(y.tolist()) == sorted(told.tolist())
    # Beside each datum there is one of the six whose label is known, drawn anew.
    drawn = {(*one.flatten().tolist(), int(y)) for one, y in zip(x_known, y_known, strict=True)}
    rows = (told >= 0).nonzero()[:, 0]
    assert drawn <= {(*bare[row].flatten().tolist(), int(told[row])) for row in rows}
    assert len(drawn) > 3
    for split in few.splits.values():  # what is measured is log p(x)
        assert isinstance(split[:3], torch.Tensor)


@pytest.mark.parametrize(
    ("count", "says"),
    [(7, "labels=7: must be a multiple of 3"), (30, "labels=30: takes 10 training data of each")],
)
def test_labels_that_are_not_there_are_refused(count, says):
    with pytest.raises(ValueError, match=says):
        dataset("binary").with_few_labels(count)


def test_the_error_is_the_share_of_wrong_guesses():
    assert wrong(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2])).tolist() == [0, 0, 1, 0]
    model, guide, data, _ = made("semi_supervised")
    model, guide = model.float(), guide.float()
    guesses = classes_of(model, guide, Batch.of(data.valid[:]))
    measured = split_metrics(model, guide, data.valid, 12, seed=0)
    assert measured["classification_error"] == (guesses != data.valid.labels).double().mean()
    assert classes_of(*made("conditional")[:2], Batch.of(data.valid[:])) is None


def test_a_run_learns_labels_and_says_how_often_it_is_wrong(tmp_path):
    """Who guesses is wrong about 9 of 10 digits."""
    run = train(
        *("model=semi_supervised", "model.labels=200", "network.width=32", "network.layers=1"),
        *("model.features=16", "train.epochs=4", "train.learning_rate=0.01", "train.compile=off"),
        *("train.batch_size=50", "model.classifier_weight=1", f"run_dir={tmp_path}/run"),
    )
    assert run.metrics[-1]["classification_error"] < 0.5
    x = run.data("test")[:3]
    assert run.score(x, particles=20).per_datum.isfinite().all()
    assert run.reconstruct(x).shape == x.shape and run.encode(x).shape == (3, 2)
    found = evaluate(run, Wanted(particles=5, elbo_particles=2, limit=20, exact="off"))
    error = evaluation_json(found)["diagnostics"]["classification"]["error"]
    assert 0 <= error["mean"] <= 0.5 and error["num_examples"] == 20
    assert any("of 20 labels are guessed wrong" in note.text for note in remarks(found))
    assert explore(found).decoded.isfinite().all()
