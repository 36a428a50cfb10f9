"""The README and the documents, as a newcomer follows them.

Every command and every Python snippet runs in the order of its page and in one folder, shortened
if it is long. Every link leads somewhere. Help and refusals need no torch.
"""

import os
import re
import shlex
import struct
import sys
from pathlib import Path

import numpy as np
import pyro
import pytest
from PIL import Image

import compare
import evaluate
import train
from configs import cli
from tests.conftest import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "evidence/README.md"]
LITTLE = (
    "--impute-particles 20 --ais-limit 4 --chains 2 --gap-limit 4 --gap-steps 5 --simulations 20"
)
SHORT = {  # what comes last on a command line wins
    "train.py": [
        "train.epochs=1",
        "train.compile=off",
        "network.width=8",
        "data.limit=520",
        "device=cpu",
    ],
    "evaluate.py": [
        "--particles",
        "8",
        "--elbo-particles",
        "4",
        "--limit",
        "16",
        "--device",
        "cpu",
        *LITTLE.split(),
    ],
    "compare.py": [],
}
VALUES_OF_A_SWEEP = 2
# Lines of a page from which on it takes more than two screens.
TWO_SCREENS = 100
NOT_RUN = {
    r"^(\.venv/bin/)?pip install": "needs a package index",
    r"^python3 -m venv": "makes the environment that these tests run in",
    r"^\. \.venv/bin/activate$": "enters the environment that these tests run in",
    r"^make (test|docs|verify|mutants)$": "runs these tests, or is run by one of them",
    r"hydra/launcher=submitit_slurm": "needs a cluster; test_sweeps.py has submitit's local one",
    r"^torchrun ": "starts processes of its own; in tests/distributed",
    r"^python -m benchmarks\.": "a measurement of minutes to hours",
    r"^python reproduce\.py": "hours of measurements; tests/published has them shortened",
    r"^python -m examples\.other_libraries\.": "in tests/examples/test_other_libraries.py",
    r"hydra/launcher=ray": "in tests/test_sweeps.py, where the launcher is installed (make verify)",
    r"^tensorboard ": "a server, until it is stopped",
}
"""By pattern, why a command cannot be run here."""


def blocks(document):
    """(language, title, text) of the fenced blocks of a page."""
    for info, text in re.findall(
        r"^```([^\n]*)\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL
    ):
        title = re.search(r'title="(.*)"', info)
        yield info.split(" ")[0], title and title[1], text


def lines(script):
    """The commands of an sh block as words: continuation lines joined, comments cut."""
    return [
        w
        for line in script.replace("\\\n", " ").splitlines()
        if (w := shlex.split(line, comments=True))
    ]


class Newcomer:
    """Follows a page in a folder with its data alone: DIR, FOLDER, FILE.npy, mine.npy and .csv."""

    def __init__(self, folder, monkeypatch, capsys):
        self.folder, self.monkeypatch, self.capsys = folder, monkeypatch, capsys
        monkeypatch.chdir(folder)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        write_data(folder)

    def follow(self, document):
        for language, title, text in blocks(document):
            if title:
                if not (ROOT / title).exists():  # a file for the reader to write; others are quoted
                    Path(title).parent.mkdir(parents=True, exist_ok=True)
                    Path(title).write_text(text)
            elif language == "sh":
                for words in lines(text):
                    self.type(words)
            elif language == "python":
                exec(compile(text, str(document), "exec"), {})

    def type(self, words):
        """One command."""
        line = " ".join(words)
        if any(re.search(pattern, line) for pattern in NOT_RUN):
            return
        if words == ["make", "demo"]:
            for recipe in demo():
                self.type(recipe)
            return
        while "=" in words[0]:  # VARIABLE=value before the command
            name, value = words.pop(0).split("=", 1)
            self.monkeypatch.syspath_prepend(
                value
            ) if name == "PYTHONPATH" else self.monkeypatch.setenv(name, value)
        assert words[0] == "python" and words[1] in SHORT, (
            f"{line}: say in NOT_RUN why it is not run, or teach Newcomer to"
        )
        script, arguments = (
            words[1],
            [m for i, word in enumerate(words) for m in self.meant(word, words[:i].count("RUN"))][
                2:
            ],
        )
        short = (
            []
            if "--help" in arguments
            else SHORT[script] + ["--ais=5"] * bool({"--ais", "--full"} & {*arguments})
        )
        if any(word.startswith("extend=") for word in arguments):
            short = [*short, "train.epochs=2"]
        status = run(script, [shorter(word) for word in arguments] + short, self.monkeypatch)
        out, err = self.capsys.readouterr()
        assert status == 0, f"{line}\n{err}"
        assert out, line

    def meant(self, word, before):
        """Returns what a placeholder or a pattern stands for: the first RUN is the newest."""
        if word in ("RUN", "RUNS") and not Path(word).exists():
            if not list(Path("runs").rglob("DONE")):  # the page starts from a run of one's own
                self.type(demo()[0])
            finished = sorted(Path("runs").rglob("DONE"), key=lambda file: file.stat().st_mtime_ns)
            return (
                [str(file.parent) for file in finished]
                if word == "RUNS"
                else [str(finished[-1 - before].parent)]
            )
        if "*" in word:
            found = sorted(map(str, Path().glob(word)))
            assert found, f"{word} matches nothing"
            return found
        return [re.sub(r"=(DIR|FOLDER|FILE\.npy)$", lambda m: f"={self.folder / m[1]}", word)]


def shorter(word):
    """A sweep over fewer values and one seed, in one process; smaller images."""
    if word.startswith("data.size="):
        return "data.size=8"
    if re.match(r"hydra\.launcher\.n_jobs=", word):
        return "hydra.launcher.n_jobs=1"
    name, equals, values = word.partition("=")
    some = values.split(",")[: 1 if name == "seed" else VALUES_OF_A_SWEEP]
    return name + equals + ",".join(some) if equals and "[" not in values else word


def run(script, arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    try:
        return (
            cli.run_command(train.main)
            if script == "train.py"
            else {"evaluate.py": evaluate, "compare.py": compare}[script].main(arguments)
        )
    except SystemExit as stopped:  # --help
        return stopped.code


def demo():
    """The commands of `make demo`."""
    makefile = (
        (ROOT / "Makefile").read_text().replace("$(BIN)/", "").replace("$(DEMO)", "runs/demo")
    )
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    return [
        words for line in recipe.splitlines() if (words := shlex.split(line.strip()))[0] == "python"
    ]


def write_data(folder):
    """A little MNIST in torchvision's layout, images, and arrays."""
    generator = np.random.default_rng(0)
    for part, count in (
        ("train", 10_520),
        ("t10k", 40),
    ):  # the last 10,000 are the validation split
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 4:24, 4:24] = generator.integers(0, 256, (1, 20, 20)) * (
            generator.random((count, 1, 1)) < 0.5
        )
        for kind, array in (
            ("images-idx3", images),
            ("labels-idx1", np.arange(count, dtype=np.uint8) % 10),
        ):
            file = folder / f"DIR/MNIST/raw/{part}-{kind}-ubyte"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(
                struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
            )
    (folder / "FOLDER").mkdir()
    for number in range(30):
        Image.fromarray(generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(
            folder / f"FOLDER/{number}.png"
        )
    table = [f"p{n},{n % 7 + 20},{n * 0.01:.2f},{'old' if n % 3 else 'young'}" for n in range(100)]
    for name in ("mine.csv", "new.csv"):
        (folder / name).write_text("\n".join(["who,age,size,group", *table]))
    for name in ("FILE.npy", "mine.npy"):
        np.save(folder / name, generator.normal(size=(100, 6)).astype(np.float32))


def test_a_newcomer_follows_the_readme(tmp_path, monkeypatch, capsys):
    """Without the figures, which take longest, and are looked at in tests/test_evaluate.py."""
    monkeypatch.setattr("report.figures.draw_all", lambda *_: [])
    Newcomer(tmp_path, monkeypatch, capsys).follow(ROOT / "README.md")


@pytest.mark.verify
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_newcomer_follows_the_page(document, tmp_path, monkeypatch, capsys):
    Newcomer(tmp_path, monkeypatch, capsys).follow(document)
    if "examples.measure_your_own_pair import" in document.read_text():
        pyro.clear_param_store()  # which the tutorial's `pyro.module` fills


def test_every_reason_not_to_run_a_command_is_needed():
    written = [
        " ".join(words)
        for d in DOCUMENTS
        for kind, _, text in blocks(d)
        if kind == "sh"
        for words in lines(text)
    ]
    assert len(written) > 20
    assert [p for p in NOT_RUN if not any(re.search(p, line) for line in written)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_are_in_sh_blocks(document):
    """Where they are found and run."""
    outside = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert (
        re.findall(r"^(?: {4}|\t)(?:\S+=\S+ )*(?:python|pip|make) .*", outside, re.MULTILINE) == []
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def headings(document):
    """The headings of a page after its title, down to the second level."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^##? (.+)$", text, re.MULTILINE)[1:]


def anchor(heading):
    """Where a link to a heading leads, as GitHub and the usual renderers call it."""
    return "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS[1:], ids=lambda path: path.name)
def test_a_long_page_begins_with_its_contents(document):
    text = document.read_text()
    listed = re.search(r"^On this page: ((?:.+\n)+)", text, re.MULTILINE)
    if text.count("\n") <= TWO_SCREENS:
        return
    assert listed and listed.start() < 300, f"{document.name} has no line of contents"
    links = re.findall(r"\[([^\]]+)\]\((#[^)]+)\)", listed[1])
    assert links == [(heading, anchor(heading)) for heading in headings(document)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_into_a_page_lead_to_a_heading(document):
    for target, place in re.findall(r"\]\(([^)#]*\.md)?(#[^)]+)\)", document.read_text()):
        page = document.parent / target if target else document
        assert place in map(anchor, headings(page)), f"{document.name}: {target}{place}"


def test_the_index_names_every_document():
    index = (ROOT / "docs/README.md").read_text()
    named = {target for target in re.findall(r"\]\(([^)#]+)\)", index)}
    assert {file.name for file in (ROOT / "docs").glob("*.md")} - {"README.md"} <= named
    assert "docs/README.md" in (ROOT / "README.md").read_text()


def without_torch(command, script, *arguments):
    """A process in which torch, Pyro and torchvision cannot be imported: they take seconds."""
    return command(script, *arguments, PYTHONPATH=str(ROOT / "tests" / "no_torch"))


@pytest.mark.parametrize(
    "arguments",
    [["trian.epochs=1"], ["prior=foo"], ["latent_dim=0"], ["train.epochs=x"], ["--latent_dim=3"]],
)
def test_a_wrong_request_is_refused_without_torch(command, arguments):
    result = without_torch(command, "train.py", *arguments)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["evaluate.py", "compare.py"])
def test_the_other_scripts_help_and_refuse_without_torch(command, script):
    result = without_torch(command, script, "--help")
    assert result.returncode == 0 and "RUN" in result.stdout
    for arguments in ([os.devnull], ["--foo", "RUN"], []):
        result = without_torch(command, script, *arguments)
        assert result.returncode == 2, result.stderr
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
