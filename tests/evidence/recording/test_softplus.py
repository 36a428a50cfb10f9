"""The arithmetic of recorded graphs for log(1 + eˣ) agrees with torch's to float32's rounding."""

import pytest
import torch
import torch.nn.functional as F

from evidence.recording.softplus import TERMS, cross_entropy, softplus

X = torch.cat(
    [
        torch.linspace(-86, 200, 200_001),
        torch.linspace(-1e-3, 1e-3, 1001),
        torch.tensor([0.0, 1e30, torch.inf]),
    ]
)
FOUR_ROUNDINGS = 4 * torch.finfo(torch.float32).eps


def relative_error(value, truth):
    return ((value.double() - truth) / truth).abs()[truth.isfinite()].max()


def test_softplus():
    truth = F.softplus(X.double(), threshold=1e9)
    assert relative_error(softplus(X), truth) < FOUR_ROUNDINGS
    assert (
        softplus(X)[-1] == torch.inf
        and softplus(torch.tensor(-torch.inf)) == 0
        and softplus(torch.tensor(-200.0)) == 0
    )
    assert softplus(torch.tensor(torch.nan)).isnan()


def test_a_series_that_is_too_short_is_noticed(monkeypatch):
    monkeypatch.setattr("evidence.recording.softplus.TERMS", TERMS // 2)
    assert relative_error(softplus(X), F.softplus(X.double(), threshold=1e9)) > FOUR_ROUNDINGS


@pytest.mark.parametrize("bit", [0.0, 1.0])
def test_cross_entropy(bit):
    x, target = X[:-2].clamp(-80, 80), torch.full((len(X) - 2,), bit)
    truth = F.binary_cross_entropy_with_logits(x.double(), target.double(), reduction="none")
    error = (cross_entropy(x, target, reduction=0).double() - truth).abs()
    assert (error <= FOUR_ROUNDINGS * x.abs().clamp(min=1)).all()  # a sum of terms as large as x


def test_what_it_does_not_cover_is_left_to_torch():
    assert softplus(X.double()) is NotImplemented and softplus(X, beta=2) is NotImplemented
    assert (
        cross_entropy(X, X, reduction=1) is NotImplemented
        and cross_entropy(X, X, weight=X, reduction=0) is NotImplemented
    )
