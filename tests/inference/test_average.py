"""train.average: a hand-written average, resumed bit for bit, measured, kept and evaluated."""

import copy

import pytest
import torch

from data import View, open_dataset
from data.sources import digits
from evidence.training.optimizer import FusedAdam
from evidence.training.per_datum import PerDatum
from experiment import load_run
from guides.amortized import Amortized
from guides.families.mean_field import MeanField
from inference.average import Average
from inference.fast.svi import FastSVI
from inference.keeper import Nowhere
from inference.loop import fit
from inference.metrics import SEED, split_metrics
from inference.objectives.elbo import ELBO
from inference.plan import Train
from models.generative import Generative
from models.likelihoods.bernoulli import Bernoulli
from models.priors.standard_normal import StandardNormal
from networks.mlp import MLP

PLAN = Train(epochs=4, batch_size=40, average=0.9, compile="off", checkpoint_seconds=0)


@pytest.fixture(scope="module")
def data():
    return open_dataset(digits.load(), "digits", View("binary", limit=200))


def pair():
    torch.manual_seed(0)
    guide = Amortized(MLP((8, 8), (4,), width=16), MeanField(2))
    return Generative(StandardNormal(2), MLP((2,), (8, 8), width=16), Bernoulli((8, 8))), guide


class InMemory(Nowhere):
    """Keeps the last state, as a file would."""

    state = best = None

    def saved_state(self):
        return copy.deepcopy(self.state)

    def save(self, state, best):
        self.state, self.best = copy.deepcopy((state, best))


def weights(state):
    return [state[which][name] for which in ("model", "guide") for name in state[which]]


def assert_equal(ours, others):
    assert all(map(torch.equal, ours, others)) and len(ours) == len(others)


@pytest.mark.parametrize("recorded", [True, False])
def test_it_is_the_average_written_by_hand_eager_and_recorded(data, recorded):
    model, guide = pair()
    optimizer = FusedAdam((model, guide), 0.01)
    average = Average(optimizer, 0.9)
    svi = FastSVI(model, guide, optimizer, PerDatum(ELBO()), recorded, backend=None)
    expected = [p.detach().clone() for p in optimizer.parameters]
    for step in range(1, 31):
        torch.manual_seed(step)
        svi.step(data.train[:40])
        average.step()
        decay = min(0.9, step / (step + 9))
        for mean, p in zip(expected, optimizer.parameters, strict=True):
            mean.copy_(decay * mean + (1 - decay) * p.detach())
    assert svi.is_compiled == recorded
    before = [p.detach().clone() for p in optimizer.parameters]
    places = [p.data_ptr() for p in optimizer.parameters]
    with average.in_place():
        for mean, p in zip(expected, optimizer.parameters, strict=True):
            torch.testing.assert_close(p.detach(), mean)
    assert_equal(before, [p.detach() for p in optimizer.parameters])
    assert places == [p.data_ptr() for p in optimizer.parameters]


def test_a_resumed_run_is_the_uninterrupted_one_and_keeps_averages(data):
    def stop(training, _):
        if training.epoch == 3:
            raise KeyboardInterrupt

    whole, cut = InMemory(), InMemory()
    training = fit(*pair(), ELBO(), data, PLAN, keep=whole)
    with pytest.raises(KeyboardInterrupt):
        fit(*pair(), ELBO(), data, PLAN, keep=cut, watch=stop)
    assert cut.state["epoch"] == 2
    fit(*pair(), ELBO(), data, PLAN, keep=cut)
    for state in ("model", "average", "best"):
        ours, others = (k.state if state == "model" else k.state[state] for k in (whole, cut))
        assert_equal(weights(ours), weights(others))
    # What is kept as best is the average, and the weights that go on are not.
    assert whole.state["best"]["epoch"] == 4
    assert_equal(weights(whole.best), weights(whole.state["average"]))
    assert not torch.equal(weights(whole.best)[0], weights(whole.state)[0])
    with training.measured():
        measured = split_metrics(training.model, training.guide, data.valid, len(data.valid), SEED)
    assert measured["elbo"] == pytest.approx(training.best_elbo, abs=1e-5)


def test_training_is_the_same_with_and_without(data):
    """The average looks on: the weights that are trained do not depend on it."""
    one, other = InMemory(), InMemory()
    fit(*pair(), ELBO(), data, PLAN, keep=one)
    fit(*pair(), ELBO(), data, Train(**{**vars(PLAN), "average": None}), keep=other)
    assert_equal(weights(one.state), weights(other.state))
    assert "average" not in other.state


def test_both_checkpoints_of_a_run_open_with_averages(train, tmp_path):
    options = ["train.epochs=3", "network.width=16", "data.limit=200", "train.average=0.9"]
    assert train(*options, f"run_dir={tmp_path / 'run'}")[0] == 0
    state = torch.load(tmp_path / "run/checkpoint-last.pt", weights_only=True)
    for which in ("last", "best"):
        run = load_run(tmp_path / "run", checkpoint=which)
        kept = state["average"] if which == "last" else state["best"]
        loaded = {"model": run.model.state_dict(), "guide": run.guide.state_dict()}
        assert_equal(weights(loaded), weights(kept))
    assert train("train.average=1", f"run_dir={tmp_path / 'other'}")[0] == 2
