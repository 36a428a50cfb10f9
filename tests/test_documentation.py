"""The README and the documents: every command in them is one that the scripts accept, every link leads somewhere."""

import re
import shlex

import pytest
from conftest import ROOT

import evaluate

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(script):
    """The commands `python <script> …` in fenced sh blocks, continuation lines joined, comments cut."""
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```sh\n(.*?)```", document.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:2] == ["python", script]:
                    found.append(pytest.param(words[2:], id=f"{document.name}: {' '.join(words[2:])}"[:100]))
    return found


@pytest.mark.parametrize("arguments", commands("train.py"))
def test_training_commands_are_accepted(train, arguments):
    """`--cfg job` composes the whole configuration and trains nothing."""
    if "-m" in arguments or "--config-dir" in arguments:
        arguments = [a for a in arguments if a != "-m"]
        arguments = [re.sub(r"=([^,]*),.*", r"=\1", a) for a in arguments]  # one job of the sweep
    if any(a.startswith("--config-dir") for a in arguments):
        pytest.skip("its folder is made, and the command run, in tests/components")
    status, out, err = train("--cfg", "job", *[a for a in arguments if a != "--help"])
    assert status == 0 and "latent_dim" in out, err


@pytest.mark.parametrize("arguments", commands("evaluate.py"))
def test_evaluation_commands_are_accepted(arguments):
    evaluate.parser().parse_args(arguments)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_help_answers_quickly_and_shows_every_axis_with_its_choices(command):
    """`--help` must not import torch: it is run with one that cannot be imported."""
    result = command("train.py", "--help", PYTHONPATH=str(ROOT / "tests" / "no_torch"))
    assert result.returncode == 0, result.stderr
    for axis in ("data", "model", "prior", "likelihood", "guide", "network", "objective"):
        choices = sorted(path.stem for path in (ROOT / "configs" / axis).glob("*.yaml"))
        assert re.search(rf"^{axis}: {', '.join(choices)}$", result.stdout, re.MULTILINE), axis
    assert "train.py [axis=choice" in result.stdout and "evaluate.py" in result.stdout


@pytest.mark.parametrize("arguments", [["trian.epochs=1"], ["prior=foo"], ["latent_dim=0"], ["train.epochs=x"]])
def test_a_wrong_request_is_refused_without_torch(command, arguments):
    result = command("train.py", *arguments, PYTHONPATH=str(ROOT / "tests" / "no_torch"))
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1


def test_evaluate_help_needs_no_torch(command):
    result = command("evaluate.py", "--help", PYTHONPATH=str(ROOT / "tests" / "no_torch"))
    assert result.returncode == 0 and "--particles" in result.stdout
