"""The loop: true ELBOs, the best weights, NaN by name, patience, determinism, no directory."""

import copy
import json
import re
import subprocess
import sys

import pytest
import torch

from data import View, open_dataset
from data.sources import digits
from evidence import elbo_terms
from experiment import load_run
from guides.amortized import Amortized
from guides.families.mean_field import MeanField
from inference.keeper import Nowhere
from inference.loop import fit
from inference.objectives.elbo import ELBO
from inference.plan import Train
from inference.training import DoesNotFit
from models.generative import Generative
from models.likelihoods.bernoulli import Bernoulli
from models.priors.standard_normal import StandardNormal
from networks.mlp import MLP
from tests.conftest import ROOT

TINY = ["train.epochs=4", "network.width=16", "data.limit=200", "device=cpu"]


def lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_same_seed_same_result_and_another_seed_another(train, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert train(*TINY, f"seed={seed}", f"run_dir={tmp_path / name}")[0] == 0
    a, b, c = ([line["elbo"] for line in lines(tmp_path / name)] for name in "abc")
    assert a == b and a != c


def test_the_kept_weights_have_the_kept_elbo(train, tmp_path):
    """checkpoint-best.pt is the epoch of the best validation ELBO, which its weights reproduce."""
    assert train(*TINY, "train.learning_rate=0.05", f"run_dir={tmp_path / 'run'}")[0] == 0
    valid = {
        line["epoch"]: line["elbo"] for line in lines(tmp_path / "run") if line["split"] == "valid"
    }
    run = load_run(tmp_path / "run")
    assert run.epoch == max(valid, key=valid.get)
    torch.manual_seed(0)
    assert elbo_terms(run.model, run.guide, run.data("valid")[:], 1).elbo.mean == pytest.approx(
        valid[run.epoch], abs=1e-5
    )


def test_patience_stops_early(train, tmp_path):
    status, _, _ = train(
        *TINY,
        "train.epochs=500",
        "train.learning_rate=0.2",
        "train.patience=2",
        f"run_dir={tmp_path / 'run'}",
    )
    valid = [line["elbo"] for line in lines(tmp_path / "run") if line["split"] == "valid"]
    assert status == 0 and len(valid) < 500
    assert max(valid[-2:]) <= max(valid[:-2]), "it stopped though it was still improving"
    assert (tmp_path / "run/DONE").exists()


def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_site(train, tmp_path):
    options = [
        *TINY,
        "train.epochs=50",
        "train.learning_rate=1e18",
        "train.schedule=constant",
        "train.checkpoint_seconds=0",
    ]
    status, _, err = train(*options, f"run_dir={tmp_path / 'run'}")
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert status == 1
    assert (
        re.search(r"epoch \d+, step \d+: loss \S+ at site '[zx]' of the (guide|model)", line)
        or "ELBO is" in line
    )
    assert not (tmp_path / "run/DONE").exists()


@pytest.mark.parametrize(
    "guide", sorted(file.stem for file in (ROOT / "configs/guide").glob("*.yaml"))
)
def test_a_learning_rate_beyond_all_numbers_stops_with_a_line(train, tmp_path, guide):
    """Whatever a guide does with parameters of 1e30, it says that training stopped, and where."""
    options = [
        *TINY,
        f"guide={guide}",
        "train.learning_rate=1e30",
        "train.schedule=constant",
        "train.compile=off",
    ]
    status, _, err = train(*options, f"run_dir={tmp_path / 'run'}")
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert (
        status == 1
        and line.startswith("error: training stopped")
        and re.search(r"at (site '[zx]'|no single site)", line)
    )


def test_progress_in_a_log_is_whole_lines(train, tmp_path):
    """The bar, which rewrites its line, is for terminals."""
    _, _, err = train(*TINY, f"run_dir={tmp_path / 'run'}")
    line = r"epoch %d/4, 00:\d\d left, valid ELBO .* examples/s\n"
    assert "\r" not in err and re.match(line % 1 + r"(epoch .*\n)*" + line % 4 + "$", err)


def test_the_last_good_checkpoint_survives_a_nan(train, tmp_path, monkeypatch):
    """The decoder breaks in epoch 3: the checkpoint of epoch 2 is there, and finite."""
    from models.generative import Generative

    forward, calls = Generative.forward, []

    def breaking(self, x):
        calls.append(self.training and torch.is_grad_enabled())
        if sum(calls) > 5:  # two steps an epoch
            self.decoder.output.bias.data.fill_(torch.nan)
        return forward(self, x)

    monkeypatch.setattr(Generative, "forward", breaking)
    status, _, err = train(
        *TINY, "train.compile=off", "train.checkpoint_seconds=0", f"run_dir={tmp_path / 'run'}"
    )
    assert status == 1 and "epoch 3, step 2" in err and "site 'x' of the model" in err
    state = torch.load(tmp_path / "run/checkpoint-last.pt", weights_only=True)
    assert state["epoch"] == 2 and all(value.isfinite().all() for value in state["model"].values())
    assert [line["epoch"] for line in lines(tmp_path / "run")] == [1, 1, 2, 2]


def test_metrics_do_not_disturb_training(train, tmp_path):
    """Measuring twice as much changes no weight."""
    import inference.metrics as metrics

    measure = metrics.split_metrics
    assert train(*TINY, f"run_dir={tmp_path / 'a'}")[0] == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "split_metrics", lambda *args: (measure(*args), measure(*args))[0])
        assert train(*TINY, f"run_dir={tmp_path / 'b'}")[0] == 0
    a, b = (
        torch.load(tmp_path / name / "checkpoint-last.pt", weights_only=True)["model"]
        for name in "ab"
    )
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_validation_is_on_at_the_first_step_only(train, tmp_path, monkeypatch):
    from torch.distributions import Distribution

    from models.generative import Generative

    forward, seen = Generative.forward, []

    def watched(self, x):
        seen.append((Distribution._validate_args, torch.is_grad_enabled()))
        return forward(self, x)

    monkeypatch.setattr(Generative, "forward", watched)
    assert (
        train(*TINY, "train.epochs=2", "train.compile=off", f"run_dir={tmp_path / 'run'}")[0] == 0
    )
    assert seen[0][0] is True, "the programs are validated before the first step"
    in_steps = [validated for validated, is_step in seen[1:] if is_step]
    assert in_steps and not any(in_steps), "and not in the hot loop"


def from_python(keep=None, seed=0, epochs=2, width=16, **options):
    """A pair trained by `fit` alone: (training, what was told, the epochs that were watched)."""
    torch.manual_seed(0)
    data = open_dataset(digits.load(), "digits", View("binary", limit=200))
    guide = Amortized(MLP((8, 8), (4,), width=width), MeanField(2))
    model = Generative(StandardNormal(2), MLP((2,), (8, 8), width=width), Bernoulli((8, 8)))
    told, watched = [], []
    training = fit(
        model,
        guide,
        ELBO(),
        data,
        Train(epochs=epochs, compile="off", **options),
        seed,
        keep or Nowhere(),
        watch=lambda training, data: watched.append(training.epoch),
        tell=told.append,
    )
    return training, told, watched


def weights(training):
    return torch.cat([p.detach().flatten() for p in training.optimizer.parameters])


def test_fit_needs_no_run_directory():
    training, told, watched = from_python()
    assert watched == [1, 2] and told == ["train.compile=off: eager"]
    assert training.epoch == 2 and len(training.metrics) == 4
    assert training.best_elbo == max(r["elbo"] for r in training.metrics if r["split"] == "valid")
    assert torch.equal(weights(training), weights(from_python()[0]))
    assert not torch.equal(weights(training), weights(from_python(seed=1)[0]))


class InMemory(Nowhere):
    """Keeps the state of a run in a variable; `cut_at` raises in the middle of the run."""

    def __init__(self, cut_at=None):
        self.state, self.lines, self.cut_at = None, [], cut_at

    def saved_state(self):
        return self.state

    def write_metrics(self, records):
        self.lines = list(records)

    def append_metrics(self, records):
        self.lines += records

    def save(self, state, best):
        self.state = copy.deepcopy(state)
        if state["epoch"] == self.cut_at:
            raise KeyboardInterrupt


def test_a_keeper_continues_a_run_bit_for_bit():
    whole, cut = InMemory(), InMemory(cut_at=2)
    expected, _, _ = from_python(whole, epochs=4)
    with pytest.raises(KeyboardInterrupt):
        from_python(cut, epochs=4, checkpoint_seconds=0.0)
    cut.cut_at = None
    training, _, watched = from_python(cut, epochs=4)
    assert watched == [3, 4] and torch.equal(weights(training), weights(expected))
    assert [r["elbo"] for r in cut.lines] == [r["elbo"] for r in whole.lines]


def test_a_state_of_another_pair_is_refused():
    keep = InMemory()
    from_python(keep)
    with pytest.raises(DoesNotFit):
        from_python(keep, width=8)


def test_the_plan_of_a_run_needs_no_torch():
    """Help and refusals come before torch is imported; they need the names of the options."""
    script = "import sys, inference.plan, inference.keeper; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0
