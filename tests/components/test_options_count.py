"""Every option of every choice has an effect; num_particles is how many draws there are."""

import pytest
import torch
import yaml

from experiment.build import build_pair
from tests.components.factories import ALL, CONFIGS, config, dataset, make, prepared

# Another value of every option than its default.
OTHER = {
    ("likelihood", "gaussian", "scale"): "predicted",
    ("likelihood", "laplace", "scale"): 0.3,
    ("likelihood", "student_t", "scale"): 0.3,
    ("likelihood", "student_t", "degrees_of_freedom"): 2.5,
    ("prior", "student_t", "degrees_of_freedom"): 2.5,
    ("prior", "mixture", "components"): 4,
    ("prior", "vamp", "components"): 4,
    ("prior", "flow", "kind"): "spline_coupling",
    ("prior", "flow", "layers"): 2,
    ("prior", "flow", "width"): 9,
    **{("guide", name, "layers"): 3 for name in ("coupling", "iaf", "planar")},
    **{("guide", name, "width"): 9 for name in ("coupling", "iaf")},
    **{("guide", name, "context"): 5 for name in ("coupling", "iaf")},
    ("guide", "low_rank", "rank"): 2,
    **{("network", name, "width"): 9 for name in ("mlp", "gated_mlp", "conv", "resnet")},
    **{("network", name, "layers"): 1 for name in ("mlp", "gated_mlp", "conv", "resnet")},
    ("network", "mlp", "activation"): "tanh",
    ("network", "resnet", "blocks"): 1,
    ("model", "conditional", "features"): 7,
    ("model", "semi_supervised", "labels"): 9,
    ("model", "semi_supervised", "labels_seed"): 1,
    ("model", "semi_supervised", "classifier_weight"): 0.5,
    ("model", "semi_supervised", "features"): 7,
    ("model", "hierarchical", "top_dim"): 3,
    ("model", "hierarchical", "width"): 9,
}
SHAPE = (1, 8, 8)


def options():
    """(axis, choice, option) of every YAML file, but for objectives, whose tests are below."""
    for axis in ALL:
        for name in ALL[axis] if axis != "objective" else ():
            stored = yaml.safe_load((CONFIGS / axis / f"{name}.yaml").read_text()) or {}
            yield from (
                (axis, name, o) for o in stored if o[0] != "_" and o not in ("defaults", "model")
            )


def test_every_option_is_here():
    assert set(options()) == set(OTHER)


def state(axis, name, given):
    """Shapes of all tensors of the pair, and the loss of a batch from one seed."""
    chosen = {axis: (name, given)}
    if name == "vamp":
        given.setdefault("components", 6)
    space = {"likelihood": "unit"}.get(axis, "binary")
    data = dataset(space, shape=SHAPE)
    data = prepared(data, name, given) if axis == "model" else data
    torch.manual_seed(0)
    pair = build_pair(config(**chosen), data)
    (columns,) = data.train.shuffled(len(data.train))
    torch.manual_seed(0)
    loss = make("objective", "elbo").differentiable_loss(*pair, *columns)
    shapes = sorted(
        (key, tuple(value.shape)) for part in pair for key, value in part.named_parameters()
    )
    return shapes, loss.item()


@pytest.mark.parametrize(("axis", "name", "option"), OTHER)
def test_an_option_changes_what_is_built(axis, name, option):
    (shapes, loss), (others, other) = (
        state(axis, name, given) for given in ({}, {option: OTHER[axis, name, option]})
    )
    assert loss != pytest.approx(other, rel=1e-6)
    values = ("degrees_of_freedom", "activation", "labels", "labels_seed", "classifier_weight")
    of_shape = option not in values
    assert (shapes != others) == of_shape


@pytest.mark.parametrize("particles", [2, 7])
@pytest.mark.parametrize("name", ALL["objective"])
def test_the_model_sees_every_datum_as_often_as_there_are_particles(name, particles):
    data = dataset("binary")
    model, guide = build_pair(config(), data)
    objective, seen = make("objective", name, {"num_particles": particles}), []
    model.decoder.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    objective.differentiable_loss(model, guide, data.train[:])
    assert sum(seen) == particles * len(data.train)
