"""What programs read as numbers stays a tensor while they are recorded, and in what they give."""

import pytest
import torch
import torch.nn.functional as F

from evidence.recording.graph import record
from evidence.recording.modes import replaced, restored, trial


@pytest.mark.parametrize("classes", [1, 3, 5])
def test_labels_are_encoded_without_being_read(classes):
    """As torch does, of labels that were not recorded, in shape and type."""
    graph = record(lambda y: F.one_hot(y, classes), torch.zeros(2, 3).long())
    y = torch.arange(6).reshape(2, 3) % classes
    assert torch.equal(graph(y), F.one_hot(y, classes)) and graph(y).dtype == torch.int64


def test_a_loss_that_is_read_as_a_number_is_that_of_each_call():
    graph = record(lambda x: 3 * x.sum() - x.sum().item(), torch.ones(3))
    for x in (torch.ones(3), torch.tensor([1.0, -4.0, 2.5])):
        assert float(graph(x)) == pytest.approx(2 * float(x.sum()))
    x = torch.ones(3, requires_grad=True)
    (gradient,) = record(lambda x: torch.autograd.grad(x.sum() * x.sum().item(), x), x)(x)
    assert gradient.tolist() == [3.0] * 3, "a number has no gradient"


def test_what_a_trial_changes_is_put_back():
    """Tensors, attributes and the noise of the run, whether or not it fails."""
    tensors = [torch.ones(2), torch.zeros(1).requires_grad_()]
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), restored(tensors), trial(torch.device("cpu")):
        with torch.no_grad():
            for tensor in tensors:
                tensor.add_(torch.rand(()) + 1)
        raise ZeroDivisionError
    assert tensors[0].tolist() == [1, 1] and tensors[1].tolist() == [0]
    assert torch.equal(torch.get_rng_state(), before)

    class Owner:
        one, two = 1, 2

    owner = Owner()
    with pytest.raises(ZeroDivisionError), replaced(owner, ["one", "two"], ["a", "b"]):
        assert (owner.one, owner.two) == ("a", "b")
        raise ZeroDivisionError
    assert (owner.one, owner.two) == (1, 2)
