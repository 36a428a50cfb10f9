"""Whatever is typed or in a file gives a right result, or a refusal in one line.

There is never a traceback, and never work before a refusal.
"""

import contextlib
import io
import json
import shutil
import struct
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

import compare
import evaluate
import train as train_script
from configs import cli
from errors import RequestError
from experiment import load_run
from experiment.checkpoints import Checkpoints
from experiment.components import build
from experiment.directory import RunDirectory
from experiment.request import Choice
from tests.conftest import ROOT
from tests.made_runs import make_run

EXAMPLES = pytest.mark.parametrize("examples", [15, pytest.param(300, marks=pytest.mark.verify)])
VALUES = (
    "0", "1", "2", "-1", "1000000000000000000000", "0.5", "-0.0", "nan", "inf", "-inf",
    "1e400", "1e-400", "null", "true", "x", "", "''", "'", '"', "[]", "[1,2]", "{}",
    "{a:1}", "1,2", "1:2", "=", "a=b",
    "${seed}", "${nowhere}", "${", "${oc.env:NOWHERE}", "é", "\t", "\\", "%", "@", "(", "$", "???",
    "choice(1,2)", "range(3)", "1_0", "0x1",
    "auto", "cpu", "on", "never", "unit",
)  # fmt: skip
HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.just([]), st.just({}), st.sampled_from([10**9, 10**30, -(10**30), "os.system", "../../x"]),
    st.sampled_from(["<script>alert(1)</script>", "a\nb", "\x00", [[[]]]]),
    st.just({"a": {"b": []}}),
    st.lists(st.integers(), max_size=3),
)  # fmt: skip


def fuzz(check, examples, *strategies):
    """`check` for that many examples, always the same ones."""
    limits = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[
            Phase.generate
        ],  # the first that fails is reported: to shrink it would take minutes
        suppress_health_check=list(HealthCheck),
    )
    limits(given(*strategies)(check))()


def options():
    """Every option of every axis, as it is written on the command line."""
    found = ["seed", "device", "latent_dim", "train"]
    found += [
        f"train.{name}"
        for name in yaml.safe_load((ROOT / "configs/train.yaml").read_text())["train"]
    ]
    found += [f"data.{name}" for name in yaml.safe_load((ROOT / "configs/view.yaml").read_text())]
    for axis in ("data", "model", "prior", "likelihood", "guide", "network", "objective"):
        for file in (ROOT / "configs" / axis).glob("*.yaml"):
            found += [
                f"{axis}.{name}"
                for name in yaml.safe_load(file.read_text()) or {}
                if name not in ("download", "cache", "defaults")
            ]
    return sorted({name for name in found if name.isprintable()})


def choices():
    return sorted(
        f"{file.parent.name}={file.stem}"
        for file in (ROOT / "configs").glob("*/*.yaml")
        if file.parent.name != "hydra"
    )


def words():
    """One word of a command line: mostly an option with some value, sometimes anything."""
    name = st.builds(
        str.__add__, st.sampled_from(["", "", "", "", "+", "++", "~"]), st.sampled_from(options())
    )
    return st.one_of(
        st.builds(lambda a, b: f"{a}={b}", name, st.sampled_from(VALUES)),
        st.sampled_from(choices()),
        st.sampled_from(["prior=x", "data=../x", "trian.epochs=1", "--foo", "-x", "-c", "job"]),
        st.sampled_from(["--cfg", "--help", "--info"]),
        st.sampled_from(["=", "~", "-"]),
        st.text(st.characters(codec="utf-8", exclude_characters="/~."), max_size=12).map(
            lambda text: "seed" + text
        ),
    )  # fmt: skip


def heard(call):
    """(status, stdout, stderr) of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = call()
        except SystemExit as stopped:
            status = stopped.code or 0
    return status, out.getvalue(), err.getvalue()


def assert_done_or_refused(status, error, requests=1):
    """One line, for each of several requests that were refused."""
    lines = [line for line in error.splitlines() if not line.startswith(("warning: ", "wrote "))]
    assert "Traceback" not in error
    assert status in (0, 2) and (status == 2) <= len(lines) <= requests * (status == 2), error
    assert all(line.startswith("error: ") and line.isprintable() for line in lines), error


@pytest.fixture
def no_training(monkeypatch, tmp_path):
    """train.py up to the moment when it would begin."""
    begun = types.SimpleNamespace(best_elbo=0.0, best_epoch=0, seconds=0.0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("experiment.training.fit", lambda *arguments: begun)
    monkeypatch.setattr("experiment.training.environment", lambda *arguments: {})


@EXAMPLES
def test_command_line_of_train(examples, no_training, monkeypatch, tmp_path):
    def check(arguments):
        place = tmp_path / "run"
        shutil.rmtree(place, ignore_errors=True)
        monkeypatch.setattr(
            sys, "argv", ["train.py", *arguments, "data.limit=20", f"run_dir={place}"]
        )
        status, _, error = heard(lambda: cli.run_command(train_script.main))
        assert_done_or_refused(status, error)
        assert status == 0 or not place.exists(), "it began before it refused"

    fuzz(check, examples * 2, st.lists(words(), min_size=1, max_size=4))


@EXAMPLES
@pytest.mark.parametrize("script", [evaluate, compare])
def test_command_lines_of_the_others(examples, script, monkeypatch, tmp_path):
    run = make_run(tmp_path / "run", np.arange(8.0) - 30)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evaluation.command.evaluate_one", lambda *arguments: None)
    flags = st.sampled_from(
        [a for action in script.parser()._actions for a in action.option_strings]
    )
    values = st.sampled_from(
        [str(run), "nowhere", "test", "best", "elbo", "csv", "latents", "page.html", *VALUES]
    )

    def check(arguments):
        status, _, error = heard(lambda: script.main([*arguments]))
        assert_done_or_refused(
            status, error, requests=max(len(arguments), 1) if script is evaluate else 1
        )

    fuzz(check, examples * 2, st.lists(st.one_of(flags, values, st.just(str(run))), max_size=4))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of one epoch."""
    run = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        arguments = [
            "train.epochs=1",
            "network.width=8",
            "data.limit=60",
            "device=cpu",
            "train.compile=off",
        ]
        patch.setattr(sys, "argv", ["train.py", *arguments, f"run_dir={run}"])
        assert cli.run_command(train_script.main) == 0
    (run / "checkpoint-last.pt").unlink()  # which would stand in for a damaged best one
    return run


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def right_or_refused(call):
    """The result of `call`, or None where it was refused in one line."""
    try:
        return call()
    except RequestError as error:
        assert "\n" not in str(error)
        return None


def read(source, **options):
    """The data of one of this project's sources."""
    return build("data", Choice(source, options, f"data.sources.{source}"), trust=True)


def leaves(node, path=()):
    """Where the values of a nested mapping are; inner mappings count, too."""
    for key, value in node.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))


def replaced(node, path, value):
    """A copy with another value at `path`."""
    new = json.loads(json.dumps(node))
    inner = new
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return new


def damaged(content):
    """`content` cut, with bytes changed, put in, or taken out."""
    place = st.integers(0, len(content) - 1)
    return st.one_of(
        st.binary(max_size=200),
        st.builds(lambda i: content[:i], place),
        st.builds(
            lambda i, b: content[:i] + b + content[i + len(b) :],
            place,
            st.binary(min_size=1, max_size=8),
        ),
        st.builds(
            lambda i, b: content[:i] + b + content[i:], place, st.binary(min_size=1, max_size=8)
        ),
        st.builds(lambda i, n: content[:i] + content[i + n :], place, st.integers(1, 50)),
    )


@EXAMPLES
def test_configurations(examples, run):
    good = yaml.safe_load((run / "config.yaml").read_text())

    def with_another_value(path, value):
        (run / "config.yaml").write_text(yaml.safe_dump(replaced(good, path, value)))
        with contextlib.redirect_stderr(io.StringIO()):
            right_or_refused(lambda: load_run(run, device="cpu"))

    def with_other_bytes(content):
        (run / "config.yaml").write_bytes(content)
        right_or_refused(lambda: RunDirectory(run).read_config())

    fuzz(with_another_value, examples * 2, st.sampled_from(sorted(leaves(good))), HOSTILE)
    fuzz(
        with_other_bytes,
        examples * 5,
        damaged((run / "config.yaml").read_bytes()) | st.text().map(str.encode),
    )


@EXAMPLES
def test_checkpoints(examples, run):
    """Bytes anywhere; and in the pickle itself, with the right checksum."""
    file = run / "checkpoint-best.pt"
    good = file.read_bytes()
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (pickled,) = [name for name in members if name.endswith("data.pkl")]
    whole = Checkpoints(run).load("best")

    def with_other_bytes(content):
        file.write_bytes(content)
        state = right_or_refused(lambda: Checkpoints(run).load("best"))
        assert state is None or torch.equal(
            state["model"]["decoder.output.bias"], whole["model"]["decoder.output.bias"]
        )

    def with_another_pickle(content):
        with zipfile.ZipFile(file, "w") as archive:
            for name, value in (members | {pickled: content}).items():
                archive.writestr(name, value)
        right_or_refused(lambda: load_run(run, device="cpu"))

    fuzz(with_other_bytes, examples, damaged(good))
    fuzz(with_another_pickle, examples * 5, damaged(members[pickled]))


@EXAMPLES
def test_metrics(examples, run):
    good = (run / "metrics.jsonl").read_bytes()
    record = json.loads(good.splitlines()[0])

    def check(content):
        (run / "metrics.jsonl").write_bytes(content)
        for line in RunDirectory(run).read_metrics():
            assert isinstance(line["epoch"], int) and line["split"] in ("train", "valid")
            assert all(
                isinstance(line[name], float | int) for name in ("elbo", "reconstruction", "kl")
            )

    other = st.builds(
        lambda path, value: json.dumps(replaced(record, path, value)).encode(),
        st.sampled_from([*leaves(record)]),
        HOSTILE,
    )
    fuzz(check, examples * 5, damaged(good) | other)


@EXAMPLES
def test_evaluations(examples, tmp_path):
    """compare.py with its page, of a run that somebody else evaluated."""
    run, other = (
        make_run(tmp_path / name, np.arange(8.0) - 30, seed=i, latent_dim=i + 1)
        for i, name in enumerate("ab")
    )
    good, page = json.loads((run / "evaluation.json").read_text()), tmp_path / "page.html"
    config = yaml.safe_load((run / "config.yaml").read_text())
    arrays = dict(np.load(run / "evaluation.npz"))
    values = (run / "evaluation.npz").read_bytes()

    def compared():
        for arguments in (["--format", "csv"], ["--format", "latex"], ["--out", str(page)]):
            status, _, error = heard(
                lambda arguments=arguments: compare.main([str(run), str(other), *arguments])
            )
            assert_done_or_refused(status, error)
        assert not page.exists() or "<script>alert" not in page.read_text()

    def with_another_value(path, value):
        (run / "evaluation.json").write_text(json.dumps(replaced(good, path, value)))
        compared()
        (run / "evaluation.json").write_text(json.dumps(good))

    def with_another_configuration(path, value):
        (run / "config.yaml").write_text(yaml.safe_dump(replaced(config, path, value)))
        compared()
        (run / "config.yaml").write_text(yaml.safe_dump(config))

    def with_other_bytes(content):
        (run / "evaluation.npz").write_bytes(content)
        compared()

    def with_another_array(name, array):
        np.savez(run / "evaluation.npz", **(arrays | {name: array}))
        compared()

    odd = [np.full(8, value) for value in (np.nan, np.inf, 1e308, 0.0, "a", {})]
    odd += [
        np.zeros(8, np.int64),
        np.zeros((8, 2)),
        np.array(3.0),
        np.zeros(8, ">f8"),
        np.zeros((2, 4), order="F"),
    ]
    fuzz(with_another_value, examples, st.sampled_from(sorted(leaves(good))), HOSTILE)
    fuzz(with_another_configuration, examples, st.sampled_from(sorted(leaves(config))), HOSTILE)
    fuzz(
        with_another_array,
        examples,
        st.sampled_from(["elbo", "iwae", "kl", "x/../../y"]),
        st.sampled_from(odd),
    )
    fuzz(with_other_bytes, examples, damaged(values))


@EXAMPLES
def test_arrays(examples, tmp_path):
    x = np.random.default_rng(0).random((30, 4), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x, labels=np.arange(30))

    def check(name, data):
        (tmp_path / f"damaged-{name}").write_bytes(
            data.draw(damaged((tmp_path / name).read_bytes()))
        )
        raw = right_or_refused(lambda: read("arrays.load", path=str(tmp_path / f"damaged-{name}")))
        assert raw is None or all(
            np.isfinite(part.values).all() for part in (raw.train, raw.valid, raw.test)
        )

    fuzz(check, examples * 8, st.sampled_from(["x.npy", "x.npz"]), st.data())


@EXAMPLES
def test_idx_files(examples, tmp_path):
    folder = tmp_path / "MNIST/raw"
    folder.mkdir(parents=True)
    contents = {}
    for part in ("train", "t10k"):
        for kind, shape in (("images-idx3", (12, 28, 28)), ("labels-idx1", (12,))):
            contents[f"{part}-{kind}-ubyte"] = struct.pack(
                f">HBB{len(shape)}I", 0, 8, len(shape), *shape
            ) + bytes(int(np.prod(shape)))

    def check(name, data):
        for file, good in contents.items():
            (folder / file).write_bytes(
                data.draw(damaged(good[:40])) + good[40:] if file == name else good
            )
        right_or_refused(lambda: read("vision.mnist", root=str(tmp_path)))

    fuzz(check, examples * 3, st.sampled_from(sorted(contents)), st.data())


@EXAMPLES
def test_images(examples, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(10):
        Image.new("RGB", (6, 5), (number, 0, 0)).save(folder / f"{number}.png")
    good = (folder / "0.png").read_bytes()
    names = st.sampled_from(["0.png", "0.jpg", "0.gif", "0.tiff", "0.bmp", "0.ppm", "0.webp"])

    def check(name, content):
        for file in folder.glob("0.*"):
            file.unlink()
        (folder / name).write_bytes(content)
        raw = right_or_refused(
            lambda: read("images.load", path=str(folder), size=4, cache=str(tmp_path / "cache"))
        )
        assert raw is None or raw.train.values.shape == (8, 3, 4, 4)

    fuzz(check, examples * 3, names, damaged(good))


def test_the_fuzz_can_fail(tmp_path, monkeypatch):
    """A loader that lets a KeyError through is found."""
    monkeypatch.setattr(
        RunDirectory,
        "read_config",
        lambda self: yaml.safe_load(self.config_file.read_text())["seed"],
    )
    place = Path(tmp_path)

    def check(content):
        (place / "config.yaml").write_bytes(content)
        right_or_refused(lambda: RunDirectory(place).read_config())

    with pytest.raises(Exception) as error:  # whichever is found first
        fuzz(check, 30, damaged(b"seed: 1\n"))
    assert not isinstance(error.value, RequestError)
