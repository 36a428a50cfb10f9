"""Odd terminals, pipes and machines: the work is done, and what cannot be shown costs no file."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

import compare
from errors import TrainingError, is_out_of_memory, printable
from evidence import Estimate
from tests.conftest import ROOT
from tests.faults.conftest import QUICK, TINY
from tests.made_runs import make_run

SCRIPTS = (
    "compare.py",
    pytest.param("evaluate.py", marks=pytest.mark.verify),
    pytest.param("train.py", marks=pytest.mark.verify),
)
OUTPUTS = {
    "closed pipe": "| true",
    "full disk": "> /dev/full",
    "closed": ">&-",
    "all closed": ">&- 2>&- <&-",
    "full stderr": "2> /dev/full",
}


def shell(words, end="", **environment):
    """Runs a command line by bash, with `end` after it; the status is that of the script."""
    line = f"set -o pipefail; {' '.join(map(quoted, words))} {end}"
    return subprocess.run(
        ["bash", "-c", line],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        errors="replace",
        timeout=200,
    )


def quoted(word):
    return "'" + os.fsdecode(os.fspath(word) if not isinstance(word, int) else str(word)) + "'"


def command(script, run, page):
    """The command of a script on a run, with the file that it is to write."""
    start = [sys.executable, script]
    if script == "compare.py":
        return [*start, "--out", page, "--", run], page
    if script == "evaluate.py":
        return [*start, *QUICK, "--", run], run / "report.html"
    return [*start, *TINY, f"run_dir={run}"], run / "DONE"


@pytest.mark.parametrize("end", OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.parametrize("script", SCRIPTS)
def test_nobody_reads_what_is_printed(good, tmp_path, script, end):
    run = shutil.copytree(good, tmp_path / "run")
    words, written = command(script, run, tmp_path / "page.html")
    written.unlink(missing_ok=True)
    done = shell(words, end)
    assert written.exists() and "Traceback" not in done.stderr
    assert done.returncode in ((0,) if "2> " in end else (0, 1))
    lost = "error: standard output: No space left on device; some of what was printed is lost"
    assert (lost in done.stderr) == (end == "> /dev/full")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_terminals_without_the_characters(good, tmp_path, script, encoding):
    """A name with an accent, and one that is no UTF-8, on a terminal of another encoding."""
    for name in ("rün", os.fsdecode(b"r\xffn")):
        run = shutil.copytree(good, tmp_path / encoding / name)
        words, written = command(script, run, tmp_path / f"{encoding}.html")
        written.unlink(missing_ok=True)
        done = shell(words, PYTHONIOENCODING=encoding, LC_ALL="C", PYTHONUTF8="0")
        assert done.returncode == 0 and written.exists(), done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("home", ["", "/nonexistent"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_no_home(good, tmp_path, script, home):
    run = shutil.copytree(good, tmp_path / "run")
    words, written = command(script, run, tmp_path / "page.html")
    written.unlink(missing_ok=True)
    done = shell(words, HOME=home, XDG_CACHE_HOME="/nonexistent/cache")
    assert done.returncode == 0 and written.exists(), done.stderr


def test_out_of_memory_is_one_line(good, train, evaluate, monkeypatch, tmp_path):
    run = shutil.copytree(good, tmp_path / "run")

    def exhausted(*_, **__):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes")

    monkeypatch.setattr("experiment.training.fit", exhausted)
    status, _, error = train(*TINY, "latent_dim=3", f"run_dir={tmp_path / 'new'}")
    assert status == 1 and error.count("\n") == 1 and "out of memory" in error
    monkeypatch.setattr("evaluation.command.evaluate", exhausted)
    status, _, error = evaluate(run, *QUICK)
    assert status == 1 and error.count("\n") == 1 and "out of memory" in error


def test_a_number_that_is_none_is_one_line(good, evaluate, monkeypatch, tmp_path):
    run = shutil.copytree(good, tmp_path / "run")

    def not_a_number(*_, **__):
        return Estimate(torch.tensor([0.0, torch.nan]).double(), "lower")

    monkeypatch.setattr("evaluation.command.evaluate", not_a_number)
    status, _, error = evaluate(run, *QUICK)
    assert status == 1 and error.count("\n") == 1 and "datum 1 is NaN" in error
    assert is_out_of_memory(MemoryError()) and not is_out_of_memory(TrainingError("loss is NaN"))


ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\r"


def test_escape_sequences_stay_off_the_terminal(good, evaluate, tmp_path, capsys):
    """From the names of folders, and from whatever the files of a run say."""
    folder = tmp_path / f"r{ESCAPES}n"
    run = shutil.copytree(good, folder)
    shown = ["".join(evaluate(run, *QUICK)[1:])]
    config = yaml.safe_load((run / "config.yaml").read_text())
    for key, value in (("data", ESCAPES), ("network", ESCAPES), ("seed", ESCAPES), ("x", 1)):
        (run / "config.yaml").write_text(yaml.safe_dump(config | {key: value}))
        shown.append("".join(evaluate(run, *QUICK)[1:]))
    choices = config["choices"] | {"prior": ESCAPES}
    (run / "config.yaml").write_text(yaml.safe_dump(config | {"choices": choices}))
    shown.append("".join(evaluate(run, *QUICK)[1:]))
    runs = [
        make_run(tmp_path / f"{i}{ESCAPES}", np.arange(8.0) + i, name=ESCAPES, choices={"prior": p})
        for i, p in enumerate((ESCAPES, f"other{ESCAPES}"))
    ]
    for form in ("text", "csv", "markdown", "latex"):
        assert compare.main([*map(str, runs), "--format", form]) == 0
        shown.append(capsys.readouterr().out)
    content = json.loads((runs[0] / "evaluation.json").read_text())
    (runs[0] / "evaluation.json").write_text(json.dumps(content | {"data": {"name": ESCAPES}}))
    assert compare.main([str(runs[0])]) == 2
    shown.append(capsys.readouterr().err)
    for text in shown:
        assert text and all(c.isprintable() or c == "\n" for c in text), ascii(text)


def test_what_can_be_printed_is_printed_as_it_is():
    words = "− rate  KL(q(z|x)‖p(z))  k̂ σ é 例\\"
    assert printable(words) == words
    assert printable("a\nb\x1b\udcff") == "a\\nb\\x1b\\udcff"
    assert printable("a\nb", keep="\n") == "a\nb"
