"""The package stands by itself: its imports, names and examples, and its words for JSON."""

import ast
import sys
from pathlib import Path

import pyro
import pyro.distributions as dist
import pytest
import torch

import evidence
from evidence import Annealing, Batch, UnsupportedPair, ais, exact, posterior_draw
from evidence.estimate import Details, Enumeration, Estimate, Exactly, Fitted, Quadrature
from evidence.example import guide, model, x
from models.joints import FactorAnalysis

FOLDER = Path(evidence.__file__).parent
MODULES = sorted(
    ".".join(("evidence", *path.relative_to(FOLDER).with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for path in FOLDER.rglob("*.py")
)
NEEDED = {"arviz_stats", "evidence", "jaxtyping", "numpy", "pyro", "torch"}


@pytest.mark.parametrize("name", MODULES)
def test_it_imports_nothing_of_the_laboratory(name):
    file = FOLDER.parent / Path(*name.split("."))
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    imported = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported <= NEEDED | set(sys.stdlib_module_names)


def test_every_public_name_is_there_and_says_what_it_is():
    for name in evidence.__all__:
        assert getattr(evidence, name).__doc__, name


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        (None, {}),
        (Exactly("closed form"), {"method": "closed form"}),
        (Enumeration(8), {"method": "enumeration", "assignments": 8}),
        (Fitted(2, 0), {"restarts": 2, "diverged": 0}),
        (
            Annealing(5, 4, 3).details,
            {"temperatures": 5, "leapfrogs": 3, "start": "prior", "schedule": "sigmoid"},
        ),
        (
            Quadrature(1e-3, 1e-6, 1e-5, 0, 1e-9, conditions=3),
            {
                "method": "quadrature",
                "tolerance": 1e-3,
                "error": 1e-6,
                "largest_error": 1e-5,
                "exceeding": 0,
                "outside": 1e-9,
                "conditions": 3,
            },
        ),
    ],
)
def test_a_summary_has_the_words_of_evaluation_json(details: Details | None, expected):
    """A name that changed, or one more, would break who reads evaluation.json."""
    estimate = Estimate(torch.tensor([1.0, 3.0], dtype=torch.float64), "lower", 7, details)
    numbers = {"mean": 2.0, "se": 1.0, "kind": "lower", "num_examples": 2, "particles": 7}
    assert estimate.summary() == numbers | expected


def test_a_grid_names_its_box():
    found = exact(model, guide, x)
    assert found is not None
    plain = found.summary()
    assert plain["method"] == "quadrature" and "particles" not in plain
    ((low, high),), (finest,) = plain["box"], plain["finest_cell"]
    assert low < -2 < 2 < high and 0 < finest < 0.5


def test_a_tensor_a_tuple_and_a_batch_are_the_same_data():
    found = []
    for given in (x, (x,), Batch.of(x)):
        torch.manual_seed(0)
        found.append(ais(model, guide, given, Annealing(3, 2, 2)).per_datum)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperatures": 0}, "temperatures=0: must be at least 1"),
        ({"start": "posterior"}, "start=posterior: choose from prior, guide"),
        ({"schedule": "cubic"}, "schedule=cubic: choose from linear, sigmoid"),
    ],
)
def test_a_wrong_plan_is_refused_before_anything_runs(options, message):
    with pytest.raises(ValueError, match=message):
        Annealing(**options)


def test_no_data_are_refused():
    with pytest.raises(ValueError, match="x has no rows"):
        ais(model, guide, x[:0])


class Renamed(torch.nn.Module):
    """Factor analysis whose latent site is not called z, and whose program computes in float32."""

    def __init__(self, sites: int = 1):
        super().__init__()
        self.joint = FactorAnalysis(torch.ones(3, 1), torch.zeros(3), 0.5)
        self.sites = sites

    def tractable(self):
        return self.joint

    def forward(self, x):
        with pyro.plate("data", len(x)):
            for k in range(self.sites):
                z = pyro.sample(f"code{k}", dist.Normal(torch.zeros(1), 1.0).to_event(1))
            pyro.sample("x", self.joint.conditional(z), obs=x)


def test_a_posterior_draw_has_the_model_s_own_name_and_precision_and_no_other_noise():
    data = torch.randn(4, 3)
    torch.manual_seed(0)
    expected = Renamed().joint.posterior(data).sample()
    after = torch.rand(())
    torch.manual_seed(0)
    drawn = posterior_draw(Renamed(), data)
    assert drawn is not None and list(drawn) == ["code0"] and drawn["code0"].dtype == torch.float32
    assert torch.equal(drawn["code0"], expected.float()) and torch.equal(torch.rand(()), after)


def test_a_posterior_of_one_site_is_not_taken_for_that_of_two():
    with pytest.raises(UnsupportedPair, match="one latent site, and has 2"):
        posterior_draw(Renamed(sites=2), torch.randn(4, 3))
