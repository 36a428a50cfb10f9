"""Command lines of the benchmarks: help, refusals before any work, and the figures at the end."""

import importlib
import json

import pytest
import torch

from benchmarks import train_step
from benchmarks.networks import Perceptron
from benchmarks.workload import Batches

WITH_CASES = ("train_step", "scaling", "evidence", "pyro_programs", "start_up")
MEASURING = (*WITH_CASES, "few_latents", "processes", "time_to_elbo", "whole_runs")


def refusal(benchmark, arguments, capsys) -> str:
    """The one line with which it refuses, having said nothing else."""
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(f"benchmarks.{benchmark}").main(arguments)
    out, err = capsys.readouterr()
    assert stopped.value.code == 2 and not out
    assert err.startswith("error: ") and err.count("\n") == 1
    return err


@pytest.mark.parametrize("benchmark", [*MEASURING, "annealing_gap", "linear_vae", "__main__"])
def test_help(benchmark, capsys):
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(f"benchmarks.{benchmark}").main(["--help"])
    assert stopped.value.code == 0 and capsys.readouterr().out.startswith("usage: ")


@pytest.mark.parametrize("benchmark", MEASURING)
def test_where_the_figures_cannot_go(benchmark, capsys, tmp_path):
    assert "--json" in refusal(benchmark, ["--json", str(tmp_path / "none" / "x.json")], capsys)
    assert "--json" in refusal(benchmark, ["--json", str(tmp_path)], capsys)


def cases_of(module) -> list[str]:
    """Returns the names of its cases, wherever it keeps them."""
    if module.__name__.endswith("scaling"):
        return list(module.cases())
    return list(module.PROGRAMS if module.__name__.endswith("programs") else module.CASES)


@pytest.mark.parametrize("benchmark", WITH_CASES)
def test_a_case_that_there_is_not(benchmark, capsys):
    module = importlib.import_module(f"benchmarks.{benchmark}")
    names = cases_of(module)
    line = refusal(benchmark, ["--case", "nonsense"], capsys)
    assert "--case" in line and "'nonsense'" in line and all(name in line for name in names)


@pytest.mark.parametrize("benchmark", [*WITH_CASES, "processes", "whole_runs"])
@pytest.mark.parametrize("rounds", ["0", "1", "-3", "few"])
def test_too_few_rounds_for_quartiles(benchmark, rounds, capsys):
    assert "--rounds" in refusal(benchmark, [f"--rounds={rounds}"], capsys)


@pytest.mark.parametrize(
    ("benchmark", "arguments", "said"),
    [
        (
            "train_step",
            ["--peer", "nonsense"],
            "'nonsense' is in none of: this project, compiled; ",
        ),
        ("train_step", ["--threads", "0"], "--threads"),
        ("train_step", ["--device", "tpu"], "choose from cpu, cuda"),
        ("evidence", ["--device", "tpu"], "choose from cpu, cuda"),
        ("processes", ["--processes", "1"], "--processes"),
        ("processes", ["--batch", "0"], "--batch"),
        ("time_to_elbo", ["--epochs", "0"], "--epochs"),
        ("time_to_elbo", ["--root", "/dev/null/none"], "--root"),
        ("annealing_gap", ["--temperatures", "1"], "--temperatures"),
        ("linear_vae", ["/dev/null/none"], "/dev/null/none"),
        ("few_latents", ["/dev/null/none"], "/dev/null/none"),
        ("few_latents", ["--images", "1"], "--images"),
    ],
)
def test_other_refusals(benchmark, arguments, said, capsys):
    assert said in refusal(benchmark, arguments, capsys)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(capsys):
    assert "--device" in refusal("train_step", ["--device", "cuda"], capsys)


@pytest.mark.verify
def test_processes_are_started_measured_and_ended(tmp_path, capsys):
    """The contenders are real: torchrun, two processes that add up gradients, and one."""
    arguments = ["--batch", "8", "--rounds", "2", "--json", str(tmp_path / "x.json")]
    importlib.import_module("benchmarks.processes").main(arguments)
    records = json.loads((tmp_path / "x.json").read_text())["records"]
    assert [(r["processes"], r["threads"], r["batch"]) for r in records] == [(1, 2, 8), (2, 1, 8)]
    assert records[0]["ratio"] == 1 and all(r["examples_per_second"] > 0 for r in records)
    assert "| 8 | 2 | 1 |" in capsys.readouterr().out


def test_figures_are_printed_and_written(tmp_path, monkeypatch, capsys):
    """Contenders do nothing, on two of three cases: what is written is what is printed."""

    def idle(network, batches):
        assert (network, batches) == (Perceptron((4,), 2), Batches(5, device="cpu"))
        return lambda steps: None

    peers = {train_step.REFERENCE: idle, "another": idle, "left out": None}
    monkeypatch.setattr(
        train_step,
        "CASES",
        dict.fromkeys(("one a", "two a", "three b"), (Perceptron((4,), 2), Batches(5))),
    )
    monkeypatch.setattr(train_step, "contenders", lambda device: peers)
    ticks = iter(range(10**6))
    monkeypatch.setattr(train_step, "clock", lambda busy: lambda: float(next(ticks)))
    threads = str(torch.get_num_threads())
    file, two = str(tmp_path / "x.json"), ["--case", " a", "--peer", "another", "--rounds", "2"]
    train_step.main([*two, "--json", file, "--threads", threads])
    records = json.loads((tmp_path / "x.json").read_text())["records"]
    assert [(r["case"], r["peer"]) for r in records] == [
        (c, p) for c in ("one a", "two a") for p in (train_step.REFERENCE, "another")
    ]
    assert {r["network"] for r in records} == {"784-4-2"} and {r["batch"] for r in records} == {5}
    printed = capsys.readouterr().out
    for record in records:
        assert f"| {record['peer']} | {record['ms']:.2f} |" in printed and record["ratio"] == 1.0
    assert printed.count("| quartiles |") == 2 and "three b" not in printed
