"""What can be asked of a run from Python: right for every kind of model, or refused by name."""

import math

import numpy as np
import pytest
import torch

from data.sources.digits import load
from errors import RequestError
from evidence import exact
from experiment import load_run, train

SMALL = ("network.width=8", "train.epochs=1", "data.limit=100", "device=cpu")
KINDS = {
    "binary": (),
    "bytes": ("likelihood=categorical",),
    "unit": ("likelihood=beta", "guide=iaf", "guide.width=8", "guide.context=4"),
    "real": ("likelihood=gaussian", "data.space=real", "latent_dim=3"),
    "hierarchical": ("model=hierarchical", "model.width=8"),
    "conditional": ("model=conditional",),
}
DIGITS = load().valid


@pytest.fixture(scope="module", params=KINDS)
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return train(*SMALL, *KINDS[request.param], f"run_dir={folder}/run")


def labels(run):
    return DIGITS.labels[:5] if run.request.model.name == "conditional" else None


def new(run, values=DIGITS.values[:5], **options):
    return run.read(values, labels(run), **options)


def x_of(batch):
    return batch[0] if isinstance(batch, tuple) else batch


def test_new_data_become_what_the_runs_own_data_are(run):
    """The values of the validation split in its space have the moments of that split."""
    own, read = run.data("valid").batch(slice(100)).x, x_of(new(run))
    assert read.dtype == torch.float32 and run.dataset.space.contains(read).all()
    if run.dataset.observation.noise == "none":
        assert torch.equal(read, own[:5])
    ours = [x_of(run.read(DIGITS.values[:100], some)) for some in all_labels(run)]
    assert abs(float(ours[0].mean() - own.mean())) < 0.02
    assert abs(float(ours[0].std() - own.std())) < 0.02


def all_labels(run):
    return [DIGITS.labels[:100] if labels(run) is not None else None]


def test_the_same_values_are_the_same_data_whatever_holds_them(run, tmp_path):
    class Frame:
        def __array__(self, dtype=None, copy=None):
            return DIGITS.values[:5].astype(float)

    np.savez(tmp_path / "new.npz", x=DIGITS.values[:5], labels=DIGITS.labels[:5])
    np.save(tmp_path / "labels.npy", DIGITS.labels[:5])
    first = x_of(new(run))
    others = [
        new(run, Frame()),
        new(run, torch.tensor(DIGITS.values[:5])),
        run.read(tmp_path / "new.npz"),
    ]
    assert all(torch.equal(x_of(other), first) for other in others)
    state = torch.get_rng_state()
    new(run), run.encode(new(run)), run.score(new(run), particles=5)
    assert torch.equal(torch.get_rng_state(), state)


def test_every_question_has_an_answer_of_its_shape(run):
    x = new(run)
    sites = 2 if run.request.model.name == "hierarchical" else 1
    assert run.encode(x).shape == (5, sites * run.request.latent_dim)
    assert run.reconstruct(x).shape == (5, 8, 8)
    drawn, means = run.sample(300, seed=1), run.sample(300, means=True, seed=1)
    assert drawn.shape == means.shape == (300, 8, 8) and run.sample(2).shape == (2, 8, 8)
    if run.dataset.space.name in ("binary", "bytes"):
        assert run.dataset.space.contains(drawn).all()
    # Both are averages of the same law, and only one has the noise of p(x|z).
    spread = float(drawn.std(0).mean()) / math.sqrt(300)
    assert abs(float((drawn - means).mean())) < 5 * spread and not torch.equal(drawn, means)
    few, many = (run.score(x, particles=n) for n in (1, 200))
    assert few.kind == "lower" and many.per_datum.shape == (5,) and many.mean > few.mean


def test_what_is_missing_is_filled_in_and_the_rest_is_kept(run):
    values = DIGITS.values[:5].astype(float)
    values[:, :4] = np.nan
    x = new(run, values, missing=True)
    found = run.impute(x, particles=30)
    seen = ~x_of(x).isnan()
    assert torch.equal(found.mean[seen], x_of(x)[seen])
    assert found.mean.isfinite().all() and found.draw.isfinite().all()
    assert found.log_predictive[~seen].isnan().all() and (found.log_predictive[seen] == 0).all()
    # The same by a mask, which holds the values back and judges them.
    mask = np.zeros((8, 8), bool)
    mask[:4] = True
    judged = run.impute(new(run), mask, particles=30)
    assert judged.log_predictive[:, :4].isfinite().all()


def test_a_label_is_the_one_that_was_given(tmp_path):
    run = train(*SMALL, "model=conditional", f"run_dir={tmp_path}/run")
    _, y = run.read(DIGITS.values[:5], DIGITS.labels[:5])
    assert [run.dataset.classes[number] for number in y] == DIGITS.labels[:5].tolist()
    by_three = run.score(run.read(DIGITS.values[:5], [3] * 5), particles=20)
    assert not torch.equal(by_three.per_datum, run.score((new(run)), particles=20).per_datum)
    for wrong, words in (
        (lambda: run.encode(run.data("test").batch(slice(3)).x), "given (x, y)"),
        (lambda: run.read(DIGITS.values[:5]), "given labels"),
        (lambda: run.read(DIGITS.values[:5], [77] * 5), "77"),
        (lambda: run.sample(2, labels=["a", "b"]), "'a'"),
        (lambda: run.sample(2, labels=[1]), "1 for 2"),
        (lambda: run.encode((new(run)[0], torch.full((5,), 10))), "0..9"),
    ):
        with pytest.raises(RequestError) as refused:
            wrong()
        assert words in str(refused.value)


HALF = DIGITS.values[:5] + 0.5
NAN = np.full((2, 8, 8), np.nan)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda run: run.read("nowhere.npy"), "nowhere.npy: no such file"),
        (lambda run: run.read("nowhere.xls"), "nowhere.xls: no such file"),
        (lambda run: run.read(DIGITS.values[0]), "x[None]"),
        (lambda run: run.read(DIGITS.values[:5, :7]), "expected (N, 8, 8)"),
        (lambda run: run.read(DIGITS.values[:0]), "shape (0, 8, 8)"),
        (lambda run: run.read(HALF), "values must be whole numbers 0..16"),
        (lambda run: run.read(DIGITS.values[:5] + 1), "0..16"),
        (lambda run: run.read(NAN), "missing=True"),
        (lambda run: run.read([["a"]]), "expected bool, integers or floats"),
        (lambda run: run.read([[1], [1, 2]]), "one length"),
        (lambda run: run.encode(DIGITS.values[:5]), "run.read"),
        (lambda run: run.encode(NAN), "nan"),
        (lambda run: run.encode("new.npy"), "run.read"),
        (lambda run: run.score((HALF, HALF)), "x alone"),
        (lambda run: run.sample(0), "count=0"),
        (lambda run: run.sample(2, labels=[1, 2]), "given none"),
        (lambda run: run.impute(run.read(DIGITS.values[:2])), "nothing is missing"),
        (lambda run: run.impute(NAN, particles=16), "at least 17"),
        (lambda run: run.impute(NAN, missing=[True]), "expected bool (2, 8, 8) or (8, 8)"),
        (lambda run: train("prior=foo"), "prior=foo"),
        (lambda run: train("prior=mine", config_dir="/nowhere"), "/nowhere: no such folder"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(binary, wrong, words):
    with pytest.raises(RequestError) as refused:
        wrong(binary)
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    return train(*SMALL, f"run_dir={tmp_path_factory.mktemp('binary')}/run")


def test_stored_levels_are_not_taken_for_points_of_a_density(tmp_path):
    run = train(*SMALL, *KINDS["real"], f"run_dir={tmp_path}/run")
    with pytest.raises(RequestError, match=r"uint8 .*run\.read"):
        run.encode(DIGITS.values[:5])


def test_log_p_itself_where_it_is_known(binary, tmp_path):
    x = binary.read(DIGITS.values[:5])
    found, bound = binary.score(x, exactly=True), binary.score(x, particles=500)
    known = exact(binary.model, binary.guide, x)
    assert found.kind == "exact" and torch.equal(found.per_datum, known.per_datum)
    assert found.mean > bound.mean
    deep = train(*SMALL, "latent_dim=3", f"run_dir={tmp_path}/run")
    with pytest.raises(RequestError, match="exactly=True"):
        deep.score(x, exactly=True)


def test_a_run_says_what_it_is_in_a_few_lines(binary):
    said = repr(binary)
    assert 3 <= len(said.splitlines()) <= 5 and max(map(len, said.splitlines())) < 130
    for word in ("digits", "8×8", "bernoulli", "epoch 1 of 1", "grey levels 0..16, binarised"):
        assert word in said


def test_train_loads_what_is_done(binary, capsys):
    again = train(*SMALL, f"run_dir={binary.path}")
    assert "done already" in capsys.readouterr().out and again.epoch == binary.epoch
    assert load_run(binary.path).request == again.request


def test_the_rooms_show_what_is_there():
    import evidence
    import experiment
    import inference

    for room in (evidence, experiment, inference):
        assert dir(room) == sorted(room.__all__) and all(
            vars(room).get(n) or getattr(room, n) for n in dir(room)
        )
