"""Expectations are found at their sites, whatever these are called; codes are computed once."""

import pyro
import pyro.distributions as dist
import pytest
import torch

from evaluation.codes import encode
from evidence.batch import Batch
from evidence.usage import LatentUsage
from experiment.predictions import decode, expected_x, prior_draws, reconstruct

MEANS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [-1.0, 3.0]])


def model(x, label):
    with pyro.plate("rows", len(x)):
        code = pyro.sample("code", dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1))
        return pyro.sample("seen", dist.Normal(3 * code + label[:, None], 1.0).to_event(1), obs=x)


def guide(x, label):
    with pyro.plate("rows", len(x)):
        pyro.sample("code", dist.Normal(MEANS[label], 0.1).to_event(1))


BATCH = Batch((torch.zeros(6, 2), torch.tensor([0, 1, 2, 0, 1, 2])))


class Rows:
    """Data that draw their noise at every access."""

    device, labels = torch.device("cpu"), None

    def __getitem__(self, which):
        return torch.rand(4, 2)[which], BATCH[1][:4][which]


def test_the_observed_site_is_found_by_its_role():
    """A foreign pair calls neither its datum "x" nor its latent "z"."""
    z = torch.randn(6, 2)
    assert torch.equal(expected_x(model, BATCH, {"code": z}), 3 * z + BATCH[1][:, None])
    assert prior_draws(model, BATCH)["code"].shape == (6, 2)


def test_a_part_at_a_time_gives_the_same_rows(monkeypatch):
    z = torch.randn(6, 2)
    monkeypatch.setattr("experiment.predictions.rows_per_chunk", lambda x, model: 4)
    assert torch.equal(decode(model, BATCH, {"code": z}), expected_x(model, BATCH, {"code": z}))


def test_a_reconstruction_averages_over_the_draws_of_its_own_datum():
    expected = 3 * MEANS[BATCH[1]] + BATCH[1][:, None]
    assert torch.allclose(reconstruct(model, guide, BATCH, 400), expected, atol=0.1)


def test_codes_repeat_and_leave_the_callers_noise_alone():
    before = torch.get_rng_state()
    one, other = (encode(model, guide, Rows(), 3) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.batch.x, other.batch.x) and torch.equal(one.flat, other.flat)
    assert torch.allclose(one.flat, MEANS, atol=0.1)
    assert one.dimensions == [("code", 0), ("code", 1)]
    assert torch.equal(one.by_site(one.flat)["code"], one.flat)


def test_the_activity_is_that_of_the_evaluation_if_there_is_one():
    codes = encode(model, guide, Rows(), 3)
    usage = LatentUsage(torch.tensor([7.0, 8.0], dtype=torch.float64), 0.0, 0.0, 3)
    assert codes.activity(usage) is usage.activity
    expected = MEANS.var(0, correction=0).tolist()
    assert codes.activity(None).tolist() == pytest.approx(expected, rel=0.1)
