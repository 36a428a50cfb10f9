"""Means and standard errors in the files, from arrays made by hand; which bound a gap is of."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data import View, open_dataset
from data.raw import RawData, RawSplit
from evaluation import measure as measuring
from evaluation.bounds import Bounds
from evaluation.bracket import SimulatedBracket, bracket_simulated
from evaluation.diagnostics import Diagnostics
from evaluation.gap import Gap, GapParts
from evaluation.imputation import Imputed
from evaluation.measure import Wanted, _Measurement
from evaluation.plain import evaluation_json, imputation_json
from evaluation.rate_distortion import RateDistortion
from evaluation.result import Evaluation
from evaluation.stages import Stages
from evaluation.summary import gap_bars, ladder
from evidence import Annealing, Estimate
from evidence.annealing import Bracket
from evidence.batch import Batch
from evidence.estimate import Fitted
from evidence.imputation import Imputation
from evidence.recording import Calls
from evidence.reliability import Reliability
from experiment import Run
from experiment.recipes.base import Pair
from models.joints import FactorAnalysis, Posterior
from report.imputed import imputation_table

ROWS, LEVELS, SHAPE = 40, 16, (3, 2)
GENERATOR = np.random.default_rng(3)
# Easy and hard data differ by far more than two bounds of one datum do.
HARD = GENERATOR.normal(-90, 30, ROWS)


def column(shift, count=ROWS):
    return torch.tensor(HARD[:count] + shift + GENERATOR.normal(0, 0.3, count))


def mean_and_error(values):
    values = np.asarray(values)
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(len(values))
    return pytest.approx({"mean": mean, "se": error, "num_examples": len(values)})


def parts(source_kind):
    fitted = Fitted(restarts=2, diverged=0)
    rows = 12
    return GapParts(
        Estimate(column(0, rows), source_kind),
        Estimate(column(-5, rows), "lower", 200),
        Estimate(column(-2, rows), "lower", 200, fitted),
        Estimate(column(-1, rows), "lower", 200, fitted),
    )


@pytest.fixture(scope="module", params=["unit", "real", "bytes"])
def measured(request):
    """An evaluation whose arrays are made up, in spaces with and without a width of levels."""
    generator = np.random.default_rng(0)
    split = RawSplit(generator.integers(0, LEVELS, (ROWS, *SHAPE)).astype(np.uint8))
    data = open_dataset(RawData(split, split, split, LEVELS), "levels", View(request.param))
    ais = Estimate(column(-0.5, 15), "lower", 4, Annealing(8, 4).details)
    bounds = Bounds(
        Estimate(column(-3), "lower", 100),
        Estimate(column(-1), "lower", 500),
        Estimate(column(0), "exact"),
        Estimate(column(1), "upper", 100),
        ais=ais,
    )
    bracket = Bracket(Estimate(column(-1, 15), "lower", 4), Estimate(column(1, 15), "upper", 4))
    diagnostics = Diagnostics(
        Reliability(torch.zeros(ROWS).double(), torch.ones(ROWS).double(), 1000),
        None,
        RateDistortion(column(50), column(120), 100),
        SimulatedBracket(bracket, Estimate(column(-2, 15), "lower", 500)),
        Gap({"test": parts("exact"), "train": parts("lower")}),
    )
    run = Run(None, {}, None, None, data, 1)
    return Evaluation(run, "test", column(-2), column(1), bounds, "", diagnostics)


def test_every_difference_is_paired(measured):
    content, bounds = evaluation_json(measured), measured.bounds
    nats, diagnostics = content["nats"], content["diagnostics"]
    numbers = {name: bound.per_datum.numpy() for name, bound in bounds.items()}
    for name, values in numbers.items():
        assert {key: nats[name][key] for key in ("mean", "se", "num_examples")} == mean_and_error(
            values
        )
    assert nats["kl"] == mean_and_error(measured.kl)
    assert nats["gap"] == mean_and_error(numbers["exact"] - numbers["elbo"])
    assert nats["ais"]["above_iwae"] == mean_and_error(numbers["ais"] - numbers["iwae"][:15])
    simulated, bracket = diagnostics["simulated"], measured.diagnostics.annealing
    below, above = (e.per_datum.numpy() for e in (bracket.bracket.lower, bracket.bracket.upper))
    iwae = bracket.iwae.per_datum.numpy()
    assert simulated["gap"] == mean_and_error(above - below)
    assert simulated["iwae_below_ais"] == mean_and_error(below - iwae)
    assert simulated["iwae_below_reverse_ais"] == mean_and_error(above - iwae)
    assert nats["gap"]["se"] < 0.2 < 3 < nats["elbo"]["se"], "unpaired it would be 6 nats"


def test_the_parts_of_the_gap_are_paired(measured):
    told = evaluation_json(measured)["diagnostics"]["gap"]
    bars = {bar.split: bar for bar in gap_bars(measured)}
    for split, found in measured.diagnostics.gap.by_split.items():
        log_p, encoder, same, richer = (
            estimate.per_datum.numpy()
            for estimate in (found.log_p, found.encoder, found.same_family, found.richer_family)
        )
        assert told[split]["approximation"] == mean_and_error(log_p - same)
        assert told[split]["amortization"] == mean_and_error(same - encoder)
        assert told[split]["richer"]["gain"] == mean_and_error(richer - same)
        assert vars(bars[split].encoder)["mean"] == pytest.approx((same - encoder).mean())
        assert bars[split].left_by_richer == pytest.approx((log_p - richer).mean())


def test_the_rungs_of_the_ladder_are_paired(measured):
    bounds = dict(measured.bounds.items())
    for rung in ladder(bounds, "exact").rungs:
        values, reference = bounds[rung.name].per_datum, bounds["exact"].per_datum
        expected = mean_and_error(values - reference[: len(values)])
        found = rung.distance
        assert {
            "mean": found.mean,
            "se": found.standard_error,
            "num_examples": found.num_examples,
        } == expected


def test_bits_per_dimension_have_the_error_of_the_nats(measured):
    bits, data = evaluation_json(measured)["bits_per_dim"], measured.run.dataset
    # x = (v + u)/16 in unit; in real it is that in units of its standard deviation.
    values = data.train.stored[:].double() if data.space.name == "bytes" else None
    levels = measured.run.dataset
    sd = math.sqrt(float(np.var(raw_levels())) + 1 / 12)
    width = {"bytes": 1.0, "unit": 1 / LEVELS, "real": 1 / sd}[levels.space.name]
    each = -(measured.bounds.exact.per_datum.numpy() / 6 + math.log(width)) / math.log(2)
    assert values is None or values.shape == (ROWS, *SHAPE)
    assert bits["mean"] == pytest.approx(each.mean())
    assert bits["se"] == pytest.approx(each.std(ddof=1) / math.sqrt(ROWS))


def raw_levels():
    return np.random.default_rng(0).integers(0, LEVELS, (ROWS, *SHAPE))


def imputed(generator, rows):
    """Data of which each has errors of its own size, with other numbers of missing dimensions."""
    missing = generator.random((rows, 8)) < generator.uniform(0.1, 0.9, (rows, 1))
    size = generator.exponential(1.0, (rows, 1))
    x = torch.tensor(size * (1 + generator.normal(size=(rows, 8))))
    one = torch.ones(rows, dtype=torch.float64)
    filled = Imputation(
        torch.where(torch.tensor(missing), 0.0, x), x, torch.tensor(-size * missing), one, one, 20
    )
    run = SimpleNamespace(dataset=SimpleNamespace(mean=torch.zeros(8), columns=tuple("abcdefgh")))
    spread = torch.linspace(1, 1.5, 8)
    return Imputed(run, "test", "random:0.5", x, torch.tensor(missing), filled, filled, spread)


def test_errors_of_imputations_are_what_repetitions_show():
    """A standard error is the spread of the number over data sets; no formula is repeated here."""
    generator = np.random.default_rng(0)
    many = [imputation_json(imputed(generator, 150))["errors"]["imputed"] for _ in range(800)]
    for one in many:
        one["h"] = one.pop("rmse_by_column")["h"]
    # Half of the data tell of one column: its error reads a little low, as errors are skewed.
    within = {"rmse": 0.12, "nats_per_dimension": 0.12, "standardised_rmse": 0.12, "h": 0.2}
    for name, share in within.items():
        values, errors = (np.array([one[name][key] for one in many]) for key in ("value", "se"))
        assert errors.mean() == pytest.approx(values.std(), rel=share), name


def test_values_of_imputations_by_hand():
    """Missing are 1 of the first datum's dimensions, and 2 of the second's."""
    x = torch.tensor([[1.0, 5.0], [2.0, 4.0]]).double()
    missing = torch.tensor([[True, False], [True, True]])
    log_p = torch.tensor([[-1.0, 0.0], [-2.0, -6.0]]).double()
    two = torch.ones(2).double()
    run = SimpleNamespace(dataset=SimpleNamespace(mean=torch.tensor([0.0, 3.0]), columns="ab"))
    found = Imputation(torch.tensor([[0.0, 5.0], [2.0, 1.0]]).double(), x, log_p, two, two, 20)
    nothing = Imputation(torch.zeros(2, 2).double(), x, 3 * log_p, two, two, 20)
    told = imputation_json(Imputed(run, "test", "m", x, missing, found, nothing))
    spread = torch.tensor([1.0, 3.0])  # the columns are in units of their own
    of_columns = Imputed(run, "test", "m", x, missing, found, nothing, spread)
    table, printed = imputation_json(of_columns), imputation_table(of_columns).splitlines()
    values = {
        filler: {name: error["value"] for name, error in errors.items()}
        for filler, errors in told["errors"].items()
    }
    of_table = table["errors"]["imputed"]
    assert of_table["standardised_rmse"]["value"] == pytest.approx(math.sqrt((1 + 9 / 9) / 3))
    by_column = {name: error["value"] for name, error in of_table["rmse_by_column"].items()}
    assert by_column == {"a": pytest.approx(math.sqrt(1 / 2)), "b": 3.0}
    (row,) = [line.split() for line in printed if line.startswith("  a ")]
    assert row[:5] == ["a", "2", "0.71", "±", "0.35"], "as exactly as the error is known"
    assert values == {
        "imputed": pytest.approx({"rmse": math.sqrt(10 / 3), "nats_per_dimension": 3.0}),
        "nothing_observed": pytest.approx({"rmse": math.sqrt(7), "nats_per_dimension": 9.0}),
        "training_mean": pytest.approx({"rmse": math.sqrt(2)}),
    }
    none = replace(of_columns, missing=torch.tensor([[True, False], [True, False]]))
    by_column = imputation_json(none)["errors"]["training_mean"]["rmse_by_column"]
    assert math.isnan(by_column["b"]["value"]) and not math.isnan(by_column["a"]["value"])
    assert not any(line.startswith("  b ") for line in imputation_table(none).splitlines())
    # Totals 1 and 8 of 1 and 2 dimensions: residuals −2 and 2, a mean count of 1.5.
    error = told["errors"]["imputed"]["nats_per_dimension"]["se"]
    assert error == pytest.approx(math.sqrt(8) / 1.5 / math.sqrt(2))
    assert told["share_missing"] == 0.75


def estimate(mean, rows, kind="lower", details=None):
    spread = torch.linspace(-1, 1, rows, dtype=torch.float64)
    return Estimate(mean + spread - spread.mean(), kind, details=details)


PLAN = Annealing(2, 2)
X = Batch((torch.zeros(10, 2),))


def measurement(run=None, pair=None, batch=X, **wanted):
    wanted = Wanted(annealing=PLAN, **wanted)
    return _Measurement(run, pair, batch, wanted, Stages(), lambda known: None, Calls())


@pytest.mark.parametrize(("ais", "iwae", "taken"), [(-3.0, -4.0, "ais"), (-4.0, -3.0, "iwae")])
def test_a_gap_is_measured_from_the_tighter_bound(ais, iwae, taken):
    """On the data of the gap: bounds of later data do not count."""
    later = torch.full((90,), 1000.0 if taken == "ais" else -1000.0, dtype=torch.float64)
    of_iwae = Estimate(torch.cat([estimate(iwae, 10).per_datum, later]), "lower")
    known = Bounds(of_iwae, of_iwae, ais=estimate(ais, 10, details=PLAN.details))
    found = measurement().best_log_p(X, known)
    assert found is (known.ais if taken == "ais" else known.iwae)
    exact = estimate(-9, 10, "exact")
    known = Bounds(of_iwae, of_iwae, exact=exact, ais=known.ais)
    assert measurement().best_log_p(X, known) is exact


@pytest.mark.parametrize(("ais", "iwae"), [(-3.0, -4.0), (-4.0, -3.0)])
def test_the_gap_of_other_data_is_measured_from_their_own_bounds(monkeypatch, ais, iwae):
    seen = []

    def watched(value):
        return lambda *arguments: (seen.append(arguments[-2]), estimate(value, 10))[1]

    monkeypatch.setattr(measuring, "anneal", watched(ais))
    monkeypatch.setattr(_Measurement, "iwae", lambda self, batch: watched(iwae)(batch, None))
    other = Batch((torch.ones(10, 2),))
    found = measurement(exact="off").best_log_p(other, None)
    assert found.mean == pytest.approx(-3.0) and len(seen) == 2
    assert all(batch is other for batch in seen)


def linear_pair():
    joint = FactorAnalysis(torch.tensor([[1.0, 0.5], [0.0, 1.0], [1.0, 1.0]]), torch.zeros(3), 0.3)
    return joint, Posterior(joint.best_mean_field)


def test_every_block_has_its_own_exact_draws():
    """600 data are more than two blocks: the upper bound of each comes from its own posterior."""
    joint, guide = linear_pair()
    x = joint.conditional(joint.prior().sample((600,))).sample()
    run = SimpleNamespace(model=joint)
    found = measurement(run, Pair(joint, guide), Batch((x,)), elbo_particles=2).upper()
    above = found.per_datum - joint.log_prob(x)
    for part in above.split(250):
        assert abs(float(part.mean())) < 1 and float(part.mean()) > -0.1


def test_reverse_annealing_of_every_block_starts_at_its_own_draws(monkeypatch):
    """120 simulated data are three blocks; from another datum's draw the bound falls below."""
    monkeypatch.setattr("evidence.annealing.WARM_UP", 0)  # steps too short to forget a start
    plan = Annealing(1, 1, 1)
    bracket = bracket_simulated(Pair(*linear_pair()), Batch((torch.zeros(120, 3),)), plan, 500)
    above = bracket.bracket.upper.per_datum - bracket.iwae.per_datum  # log p(x|z*) − log p(x)
    for part in above.split(50):
        assert 0 < float(part.mean()) < 4
