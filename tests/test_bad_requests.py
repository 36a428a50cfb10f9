"""Every wrong request gets one line that names the option, status 2, and loses nothing."""

import json
import os

import numpy as np
import pytest
import torch
import yaml

import compare
import evaluate

TINY = ["train.epochs=2", "network.width=8", "data.limit=60"]


def refused(result, *words):
    status, _, err = result
    lines = [line for line in err.splitlines() if line.strip()]
    assert status == 2, err
    assert len(lines) == 1 and lines[0].startswith("error: "), err
    assert "Traceback" not in err
    for word in words:
        assert word in lines[0], f"{word!r} is not in {lines[0]!r}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prior=foo"], ["prior=foo", "standard_normal"]),
        (["likelihood=bernouli"], ["likelihood=bernouli", "bernoulli", "gaussian"]),
        (["data=minst"], ["data=minst", "mnist", "digits"]),
        (["prior=Vamp"], ["prior=Vamp", "did you mean vamp?"]),
        (["proir=vamp"], ["proir", "did you mean prior?"]),
        (["prior", "vamp"], ["prior: expected axis=choice", "did you mean prior=…?"]),
        (["data=mine.npy"], ["data=arrays data.path=mine.npy"]),
        (["seed=0,1"], ["seed=0,1", "add -m"]),
        (["prior=vamp,flow"], ["prior=vamp,flow", "add -m"]),
        (["lr=0.1"], ["lr", "did you mean train.learning_rate?"]),
        (["epochs=3"], ["epochs", "did you mean train.epochs?"]),
        (["latent-dim=3"], ["did you mean latent_dim?"]),
        (["network.blocks=3"], ["network=mlp", "width, layers", "belongs to network=resnet"]),
        (["prior.components=3"], ["prior=standard_normal", "none", "prior=mixture, vamp"]),
        (["objective=beta", "objective.beta=4"], ["objective=beta", "weight, warmup_epochs"]),
        (["data.path=x.npy"], ["data=digits", "belongs to data=arrays, images"]),
        (["-m", "network=mlp,conv", "network.blocks=3"], ["network=mlp,conv", "network=resnet"]),
        (["-m", "prior=flow,vamp", "prior.components=3"], ["of prior=flow", "sweep prior=vamp"]),
        (["prior=null"], ["prior=null", "standard_normal"]),
        (["~prior"], ["~prior", "nothing can be taken away"]),
        (["--config-dir", "/nowhere", "prior=mine"], ["--config-dir /nowhere", "no such folder"]),
        (["trian.epochs=3"], ["trian.epochs", "train.epochs"]),
        (["train.epohcs=3"], ["train.epohcs", "train.epochs"]),
        (["network.widht=3"], ["network.widht", "network.width"]),
        (["+extra=1"], ["extra", "latent_dim"]),
        (["+network.extra=1"], ["network.extra", "width"]),
        (["train.epochs=ten"], ["train.epochs=ten", "whole number, such as train.epochs=100"]),
        (["train.tensorboard=maybe"], ["true or false, such as train.tensorboard=false"]),
        (["train.learning_rate=fast"], ["a number, such as train.learning_rate=0.003"]),
        (["train.epochs=1.5"], ["train.epochs=1.5", "whole number"]),
        (["train.epochs=0"], ["train.epochs=0", "at least 1"]),
        (["train.batch_size=0"], ["train.batch_size=0", "at least 1"]),
        (["train.learning_rate=-1"], ["train.learning_rate=-1", "positive"]),
        (["train.learning_rate=nan"], ["train.learning_rate=nan", "positive"]),
        (["train.weight_decay=-1"], ["train.weight_decay=-1.0", "0"]),
        (["train.schedule=step"], ["train.schedule=step", "cosine"]),
        (["train.compile=maybe"], ["train.compile=maybe", "auto, on, off"]),
        (["train.resume=yes"], ["train.resume", "auto, never"]),
        (["network.layers=abc"], ["network.layers='abc'", "number, such as network.layers=2"]),
        (["network.activation=foo"], ["network.activation=foo", "gelu"]),
        (["latent_dim=0"], ["latent_dim=0", "at least 1"]),
        (["latent_dim=null"], ["latent_dim", "not null"]),
        (["seed=-1"], ["seed=-1", "at least 0"]),
        ([f"seed={2**70}"], [f"seed={2**70}", f"at most {2**62}"]),
        *(
            ([f"{name}={2**63}", f"objective={objective}"], [f"{name}={2**63}", "must be at most"])
            for name, objective in {
                **dict.fromkeys(("latent_dim", "train.batch_size", "train.epochs"), "elbo"),
                **dict.fromkeys(("train.patience", "train.warmup_epochs", "data.limit"), "elbo"),
                **dict.fromkeys(("network.width", "network.layers"), "elbo"),
                **{"objective.num_particles": "iwae", "objective.warmup_epochs": "beta"},
            }.items()
        ),
        ([f"data.seed={2**70}"], [f"data.seed={2**70}", f"at most {2**62}"]),
        # Sizes that no memory holds, of each component.
        (["latent_dim=1000000000000"], ["latent_dim=1000000000000", "does not fit into memory"]),
        (["network.width=1000000000000"], ["network.width=1000000000000", "not fit into memory"]),
        (
            ["prior=mixture", "prior.components=1000000000000"],
            ["prior.components=1000000000000", "does not fit into memory"],
        ),
        # Numbers that are none.
        (["objective=beta", "objective.weight=nan"], ["objective.weight=nan", "finite"]),
        (["objective=renyi", "objective.alpha=inf"], ["objective.alpha=inf", "finite"]),
        (["likelihood=gaussian", "likelihood.scale=nan"], ["likelihood.scale=nan", "finite"]),
        (["device=tpu"], ["device=tpu", "auto, cpu, cuda"]),
        (["data.space=grey"], ["data.space=grey", "binary"]),
        (["data.binarisation=foo"], ["data.binarisation=foo", "dynamic, fixed, threshold"]),
        (["data.limit=0"], ["data.limit=0", "at least 1"]),
        (
            ["likelihood=gaussian", "data.space=binary"],
            ["likelihood=gaussian", "unit, real", "binary", "bernoulli"],
        ),
        (["data=linear_gaussian"], ["likelihood=bernoulli", "real", "gaussian"]),
        (["likelihood=gaussian", "likelihood.scale=-1"], ["likelihood.scale=-1", "learned"]),
        (
            ["model=hierarchical", "model.width=${oc.env:NOWHERE}"],
            ["'NOWHERE' not found", "model.width"],
        ),
        (
            ["data=mnist", "data.root=/nowhere"],
            ["data.root=/nowhere", "/nowhere/MNIST/raw", "data=digits"],
        ),
        (["data=svhn", "data.root=/nowhere"], ["data.root=/nowhere", "SVHN", "data=digits"]),
        (["data=arrays"], ["data.path", ".npy"]),
        (["data=arrays", "data.path=/nowhere.npy"], ["/nowhere.npy", "no such file"]),
        (["data=images", "data.path=''"], ["data.path=null", "must name"]),
        (["data=arrays", "data.path=''"], ["data.path=null", "must name"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and "=" in value[0] else "",
)
def test_wrong_requests(train, tmp_path, arguments, words):
    refused(train(*arguments, f"run_dir={tmp_path / 'run'}"), *words)
    assert not (tmp_path / "run").exists(), "a refused request leaves nothing behind"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there(train):
    refused(train("device=cuda"), "device=cuda", "device=cpu")


PLACES = {
    "pipe": "is not a plain file",
    "device": "is not a plain file",
    "folder": "is a folder, not a file",
    "absent": "no such file",
    "loop": "cannot be looked up (Too many levels",
    "x" * 300: "cannot be looked up (File name too long)",
}


@pytest.fixture
def places(tmp_path):
    """A path of each kind where there is no file to be read."""
    found = {name: tmp_path / f"{name}.npy" for name in PLACES}
    os.mkfifo(found["pipe"])
    found["device"].symlink_to("/dev/zero")
    found["loop"].symlink_to(found["loop"])
    found["folder"].mkdir()
    return found


def test_what_is_no_file_is_refused_at_once(train, finished, capsys, places, tmp_path):
    """Of every option that names a file to be read: nothing waits, or reads without an end."""
    np.save(x := tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 3)))
    arrays = ("data=arrays", "likelihood=gaussian", f"run_dir={tmp_path / 'run'}")
    for name, why in PLACES.items():
        refused(train(*arrays, f"data.path={places[name]}"), f"data.path={places[name]}", why)
    for name in ("pipe", "loop"):
        place, why = places[name], PLACES[name]
        labels = (f"data.path={x}", f"data.labels={place}")
        refused(train(*arrays, *labels), f"data.labels={place}", why)
        for words in (["--impute", place], ["--new", place], ["--new", x, "--new-labels", place]):
            refused(evaluated(capsys, finished, *words), str(words[-2]), str(place), why)
        folder = why.replace("a plain file", "a folder")
        refused(train("data=images", f"data.path={place}"), f"data.path={place}", folder)
        refused(train("--config-dir", place, "prior=mine"), f"--config-dir {place}", folder)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000, "x\0y"])
def test_a_run_dir_that_no_folder_can_have(train, tmp_path, name):
    refused(train(*TINY, f"run_dir={tmp_path / name}"), "run_dir=", "cannot be looked up")
    assert not list(tmp_path.iterdir())


def test_a_run_dir_at_home(train, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert train(*TINY, "train.epochs=1", "run_dir=~/mine/run 1\nof two")[0] == 0
    assert (tmp_path / "mine/run 1\nof two/DONE").exists() and not (tmp_path / "~").exists()


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a_page_is_not_written_in_the_place_of_something_else(capsys, places, finished, kind):
    status = compare.main([str(finished), "--out", str(places[kind])])
    refused((status, *capsys.readouterr()), f"--out {places[kind]}: {PLACES[kind]}")
    assert places[kind].is_dir() or not places[kind].is_file()


def array_with(value):
    array = np.random.default_rng(0).random((40, 3)).astype(np.float32)
    array[7, 1] = value
    return array


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (array_with(np.nan), [], ["NaN", "(7, 1)"]),
        (array_with(np.inf), [], ["infinity", "(7, 1)"]),
        (array_with(3.0), ["data.space=unit"], ["data.space=unit", "3", "(7, 1)", "[0, 1]"]),
        (array_with(-1.0), [], ["likelihood=bernoulli", "real"]),
        (np.zeros(40), [], ["shape (40,)"]),
        (np.zeros((40, 0)), [], ["empty"]),
        (np.zeros((0, 3)), [], ["empty"]),
        (np.zeros((5, 3)), [], ["5 examples", "at least 10"]),
        (np.array([["a"] * 3] * 40), [], ["dtype"]),
        (np.array([[{}] * 3] * 40, dtype=object), [], ["not a readable array"]),
    ],
    ids=["nan", "inf", "outside", "negative", "rank", "empty", "no_rows", "few", "text", "pickle"],
)
def test_wrong_arrays(train, tmp_path, array, options, words):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    likelihood = ["likelihood=gaussian"] if options else []
    refused(
        train(
            "data=arrays",
            f"data.path={tmp_path / 'x.npy'}",
            *likelihood,
            *options,
            "data.split_by=order",
        ),
        "data",
        *words,
    )


def test_a_pickle_is_not_run(train, tmp_path):
    class Bomb:
        def __reduce__(self):
            return open, (str(tmp_path / "exploded"), "w")

    np.save(tmp_path / "x.npy", np.array([[Bomb()]], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=np.array([[Bomb()]], dtype=object), allow_pickle=True)
    for name in ("x.npy", "x.npz"):
        refused(train("data=arrays", f"data.path={tmp_path / name}"), "data.path")
    assert not (tmp_path / "exploded").exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, request):
    """A tiny finished run."""
    import sys

    import train as script
    from configs import cli

    path = tmp_path_factory.mktemp("finished") / "run"
    before, sys.argv = sys.argv, ["train.py", *TINY, f"run_dir={path}"]
    try:
        assert cli.run_command(script.main) == 0
    finally:
        sys.argv = before
    return path


def files(path):
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


def test_another_configuration_in_the_same_directory(train, finished):
    before = files(finished)
    refused(
        train(*TINY, f"run_dir={finished}", "latent_dim=3"),
        "run_dir",
        "latent_dim is 2 there, 3 now",
        "another run_dir",
    )
    assert files(finished) == before


def test_resume_never_keeps_what_is_there(train, finished):
    before = files(finished)
    refused(
        train(*TINY, f"run_dir={finished}", "train.resume=never"),
        "train.resume=never",
        "another run_dir",
    )
    assert files(finished) == before


def test_a_done_run_is_left_alone(train, finished):
    before = files(finished)
    status, out, _ = train(*TINY, f"run_dir={finished}", "device=cpu")
    assert status == 0 and "done already" in out
    assert files(finished) == before


def evaluated(capsys, *arguments):
    capsys.readouterr()
    status = evaluate.main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    return status, out, err


def copy_of(finished, tmp_path):
    import shutil

    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def test_evaluate_what_is_no_run(capsys, tmp_path):
    refused(evaluated(capsys, tmp_path), str(tmp_path), "not a run directory")
    refused(evaluated(capsys, tmp_path / "absent"), "absent", "not a run directory")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("seed: 0")
    refused(evaluated(capsys, tmp_path), "not a run directory", f"2 below it: {tmp_path}/*")
    refused(evaluated(capsys, tmp_path / "ones"), f"did you mean {tmp_path / 'one'}?")
    refused(
        evaluated(capsys, tmp_path / "one" / "config.yaml"), f"did you mean {tmp_path / 'one'}?"
    )


def test_evaluate_an_unfinished_run(capsys, finished, tmp_path):
    run = copy_of(finished, tmp_path)
    (run / "DONE").unlink()
    refused(evaluated(capsys, run), "unfinished", "2 of 2 epochs")


def test_evaluate_a_configuration_that_names_foreign_code(capsys, finished, tmp_path):
    run = copy_of(finished, tmp_path)
    for target in (
        "os.system",
        "experiment.directory.os.system",
        "experiment.directory.pickle.loads",
    ):
        config = yaml.safe_load((run / "config.yaml").read_text())
        config["prior"] = {"_target_": target, "command": f"touch {tmp_path / 'exploded'}"}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        refused(evaluated(capsys, run), "prior")
    assert not (tmp_path / "exploded").exists()


def test_wrong_options_of_evaluate(capsys, finished):
    for arguments, word in (
        (["--particles", "0"], "--particles"),
        (["--particles", "2.5"], "--particles"),
        (["--limit", "0"], "--limit"),
        (["--limit", "-1"], "--limit"),
        (["--limit", "2.5"], "--limit"),
        (["--seed", "-1"], "--seed"),
        (["--seed", str(2**70)], f"from 0 to {2**62}"),
        (["--new", ""], "--new: expected the name of a file"),
        (["--split", "all"], "--split"),
        (["--foo"], "--foo"),
        (["--splt", "test"], "did you mean --split?"),
        (["prior=vamp"], "prior=vamp: a run keeps the request"),
    ):
        with pytest.raises(SystemExit) as stopped:
            evaluate.main([str(finished), *arguments])
        assert stopped.value.code == 2 and word in capsys.readouterr().err


def test_places_of_data_that_are_none(capsys, finished):
    refused(evaluated(capsys, finished, "data.root=/x"), "data.root", "data=digits takes none")


def test_metrics_are_json_lines_as_documented(finished):
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["split"]) for line in lines] == [
        (1, "train"),
        (1, "valid"),
        (2, "train"),
        (2, "valid"),
    ]
    for line in lines:
        assert line["elbo"] == pytest.approx(line["reconstruction"] - line["kl"])
        assert line["examples_per_second"] > 0 and line["seconds"] > 0
