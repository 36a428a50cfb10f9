"""An evaluated run as it is read: what is believed of the files, and the last number before not."""

import hashlib
import io
import json

import numpy as np
import pytest

from errors import RequestError
from report.comparison.arrays import read_arrays
from report.comparison.reading import Epoch, Measurement, read_run
from tests.made_runs import PIXEL, make_run

ELBO = np.array([-9.0, -11.0, -10.5])


@pytest.fixture
def changed(tmp_path):
    """Reads a run whose evaluation.json was changed by a function."""

    def read(change, **how):
        path = make_run(tmp_path / str(len(list(tmp_path.iterdir()))), ELBO, **how)
        told = json.loads((path / "evaluation.json").read_text())
        change(told)
        (path / "evaluation.json").write_text(json.dumps(told))
        return read_run(path)

    return read


def nothing(told):
    pass


def test_the_file_of_arrays_is_that_of_the_evaluation(changed, tmp_path):
    """By its SHA-256, which earlier revisions have not named."""
    run = changed(nothing)
    digest = hashlib.sha256((run.path / "evaluation.npz").read_bytes()).hexdigest()
    told = json.loads((run.path / "evaluation.json").read_text())
    for named, is_right in ((digest, True), (None, True), (digest[::-1], False), (1, False)):
        (run.path / "evaluation.json").write_text(json.dumps(told | {"npz_sha256": named}))
        if is_right:
            assert read_run(run.path).per_datum.keys() == {"elbo", "reconstruction", "kl", "iwae"}
        else:
            with pytest.raises(RequestError, match="it is of another evaluation than"):
                read_run(run.path)


@pytest.mark.parametrize("count", [0, -1, 10_000_001])
def test_no_or_too_many_examples_are_refused(changed, count):
    with pytest.raises(RequestError, match=f"num_examples of the evaluation is {count}"):
        changed(lambda told: told["data"].update(num_examples=count))


@pytest.mark.parametrize("count", [1, 2, 4, 10_000_000])
def test_arrays_of_another_number_of_examples_are_none(changed, count):
    with pytest.raises(RequestError, match=f"has no ELBO of each of {count} examples"):
        changed(lambda told: told["data"].update(num_examples=count))


def test_arrays_of_a_gigabyte_are_read_and_larger_ones_are_not():
    buffer = io.BytesIO()
    np.savez(buffer, elbo=np.zeros(3), iwae=np.zeros(3))
    content = buffer.getvalue()
    assert list(read_arrays(content, 2**26, {"elbo"})) == []
    with pytest.raises(ValueError, match="2 arrays of 67,108,865 numbers are too many"):
        list(read_arrays(content, 2**26 + 1, {"elbo"}))
    assert [name for name, _ in read_arrays(content, 3, {"elbo", "kl"})] == ["elbo"]


@pytest.mark.parametrize("name", ["evaluation.json", "evaluation.npz"])
def test_a_file_of_ten_megabytes_is_read_and_a_larger_one_is_not(changed, name):
    run = changed(nothing)
    if name == "evaluation.json":
        file = run.path / name
        file.write_bytes(file.read_bytes().ljust(10_000_000))
        assert read_run(run.path).data == run.data
        file.write_bytes(file.read_bytes() + b" ")
    else:
        (run.path / name).write_bytes(b"no archive")
    with pytest.raises(RequestError, match=f"{name} cannot be read: .*measure again: python") as no:
        read_run(run.path)
    why = str(no.value).partition("read: ")[2].partition("; measure")[0]
    assert why and "Errno" not in why and str(run.path) not in why, "it is named once"


def test_stages_that_are_missing_are_read_shortened(changed):
    run = changed(lambda told: told.update(partial=["a" * 100, *map(str, range(30))]))
    assert run.missing == ("a" * 60, *map(str, range(19)))
    for nonsense in ("ais", None, {"a": 1}):
        assert changed(lambda told, n=nonsense: told.update(partial=n)).missing == ()


@pytest.mark.parametrize(
    ("value", "known"),
    [(2, 2.0), (-1.5, -1.5), (9e29, 9e29), (1e30, None), (-1e30, None), ("2", None), (None, None),
     ([1], None), (float("nan"), None), (float("inf"), None)],
)  # fmt: skip
def test_a_number_is_finite_or_it_is_none(changed, value, known):
    def change(told):
        told["nats"]["kl"]["se"] = value
        told["nats"]["kl"]["above_iwae"] = {"mean": value}
        told["bits_per_dim"]["mean"] = value
        if known is None:
            told["nats"]["upper"] = {"mean": None}

    run = changed(change)
    assert (run.nats["kl"].se, run.nats["kl"].above_iwae) == (known, known)
    assert (None if run.bits is None else run.bits.mean) == known
    assert "upper" not in run.nats, "an upper bound of chains that have not met"
    if known is None:
        for name in ("elbo", "kl"):
            if value is None and name == "kl":
                continue
            with pytest.raises(RequestError, match=f"nats.{name} of the evaluation has no mean"):
                changed(lambda told, n=name: told["nats"][n].update(mean=value))


def test_what_was_spent_is_read_if_it_is_of_its_kind(changed):
    """Whole numbers, and a word for the start."""
    right = {"mean": -9.0, "num_examples": 3, "particles": 16, "temperatures": 100,
             "start": "prior"}  # fmt: skip
    run = changed(lambda told: told["nats"].update(ais=right))
    assert run.nats["ais"] == Measurement(-9.0, None, 3, 16, 100, "prior", None)
    wrong = dict.fromkeys(right, 1.5) | {"mean": -9.0}
    run = changed(lambda told: told["nats"].update(ais=wrong))
    assert run.nats["ais"] == Measurement(-9.0)


def test_values_that_are_too_large_are_damage(changed):
    run = changed(nothing)
    for value, is_read in ((9e29, True), (1e30, False), (np.nan, False), (-np.inf, False)):
        kl = np.array([-1.0, value, -2.0])
        np.savez(run.path / "evaluation.npz", elbo=ELBO, kl=kl)
        if is_read:
            assert read_run(run.path).per_datum["kl"].tolist() == kl.tolist()
        else:
            with pytest.raises(RequestError, match="kl has values that are not finite"):
                read_run(run.path)


def test_epochs_have_their_finite_numbers(changed):
    run = changed(nothing)
    terms = {"elbo": -1.5, "reconstruction": -1.0, "kl": 0.5}
    lines = [
        {"epoch": 3, "split": "train", **terms, "seconds": 2, "note": "text", "other": None},
        {"epoch": 4, "split": "valid", **terms, "seconds": 1e30, "rate": 9e29, "other": -1e30},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run.path / "metrics.jsonl").write_text(text)
    assert read_run(run.path).epochs == [
        Epoch(3, "train", 2.0, terms | {"seconds": 2.0}),
        Epoch(4, "valid", None, terms | {"rate": 9e29}),
    ]


def test_a_figure_is_a_png_inside_the_run(changed):
    run = changed(nothing)
    assert run.figure("samples") == PIXEL and run.figure("nothing") is None
    folder = run.path / "figures"
    (folder / "text.png").write_bytes(b"text")
    (folder / "inside.png").symlink_to(folder / "samples.png")
    (run.path.parent / "outside.png").write_bytes(PIXEL)
    (folder / "outside.png").symlink_to(run.path.parent / "outside.png")
    (folder / "itself.png").symlink_to(folder / "itself.png")
    (folder / "large.png").write_bytes(PIXEL.ljust(10_000_001))
    for name in ("text", "outside", "itself", "large"):
        assert run.figure(name) is None, name
    (folder / "large.png").write_bytes(PIXEL.ljust(10_000_000))
    assert len(run.figure("large")) == 10_000_000


@pytest.mark.parametrize("name", ["evaluation.json", "evaluation.npz"])
def test_a_run_that_is_not_evaluated_says_how_it_will_be(changed, name):
    run = changed(nothing)
    (run.path / name).unlink()
    with pytest.raises(
        RequestError, match=rf"not evaluated \(no {name}\); first: python eval.*\d$"
    ):
        read_run(run.path)
    with pytest.raises(RequestError, match=r"not evaluated \(no .*valid.*first: .* --split valid$"):
        read_run(run.path, "valid")
