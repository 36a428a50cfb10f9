"""Tables as a paper, a document and a spreadsheet take them; and what a user may ask of them."""

import csv
import io
import re

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

import compare
from tests.conftest import ROOT
from tests.made_runs import make_run

HOSTILE = r"a_b & 50% of $x$ #1 {\c} ~^|<>[*"


def runs_of(folder, settings, seeds=2):
    """Runs of the settings: options of `make_run`, and the mean."""
    runs = []
    for number, (mean, how) in enumerate(settings):
        for seed in range(seeds):
            noise = np.random.default_rng(10 * number + seed)
            values = mean + noise.normal(0, 0.5, 40)
            runs.append(str(make_run(folder / f"{number}-{seed}", values, seed=seed, **how)))
    return runs


@pytest.fixture
def printed(capsys):
    def call(*arguments):
        assert compare.main(list(arguments)) == 0
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize("pairs", [[], ["--pairs"]])
def test_latex_is_what_a_paper_can_paste(tmp_path, printed, pairs):
    """There is no LaTeX here: the rules are checked, and every formula is parsed."""
    settings = [(-20.0, {"choices": {"prior": HOSTILE}}), (-25.0, {"choices": {"prior": "vamp"}})]
    text = printed(*runs_of(tmp_path, settings), "--format", "latex", *pairs)
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    inside = body[body.index(r"\toprule") : body.index(r"\bottomrule")]
    assert body.count(r"\begin{") == body.count(r"\end{") == 2 and r"\midrule" in inside
    rows = [row for row in inside.splitlines() if row.endswith(r"\\")]
    body = re.sub(r"p\{\d+pt\}", "l", body)  # names of settings are broken, if they are long
    columns = re.search(r"\\begin\{tabular\}\{([lr]+)\}", body)[1]
    assert len(rows) == (2 if pairs else 3)
    assert pairs or columns == "lrrrr", "as many as a page has room for"
    for row in rows:
        assert len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1
    assert body.isascii(), "every minus sign, ± and Δ is a command"
    formulas = re.findall(r"(?<!\\)\$([^$]+)(?<!\\)\$", body)
    assert any(re.match(r"[-+]\d+\.\d+(\\;\[| \\pm)", formula) for formula in formulas)
    parser = MathTextParser("path")
    for formula in formulas:
        parser.parse(f"${formula}$")
    plain = re.sub(r"(?<!\\)\$[^$]+(?<!\\)\$", "", body)
    assert not re.search(r"(?<!\\)[#%^~<>|]", plain) and not re.search(r"(?<!\\)_", plain)
    assert not re.search(r"[\[*]", re.sub(r"\{[\[*]\}|stack\[r\]", "", plain)), (
        "an argument of a row's end"
    )
    depth = re.sub(r"\\[{}]", "", body)
    assert depth.count("{") == depth.count("}")


def test_markdown_has_real_minus_signs_and_as_many_cells_everywhere(tmp_path, printed):
    settings = [(-20.0, {"choices": {"prior": "a|b"}}), (-25.0, {"choices": {"prior": "vamp"}})]
    text = printed(*runs_of(tmp_path, settings), "--format", "markdown")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1 and len(rows) == 4
    assert "−25" in text and "-25" not in text


def test_a_single_run_has_the_error_over_data(tmp_path, printed):
    values = -20 + np.random.default_rng(0).normal(0, 3, 40)
    run = str(make_run(tmp_path / "run", values))
    (row,) = csv.DictReader(io.StringIO(printed(run, "--format", "csv")))
    assert float(row["elbo_se"]) == pytest.approx(values.std(ddof=1) / 40**0.5)
    assert row["se_over"] == "data" and float(row["bits_per_dim_se"]) > 0
    error = f"± {values.std(ddof=1) / 40**0.5:.2f}"
    for form in ("text", "markdown"):
        text = printed(run, "--format", form)
        assert error in text and "over the data (a single seed each)" in " ".join(text.split())


def test_errors_over_seeds_and_over_data_are_told_apart(tmp_path, printed):
    several = runs_of(tmp_path / "a", [(-20.0, {"choices": {"prior": "flow"}})])
    single = runs_of(tmp_path / "b", [(-25.0, {"choices": {"prior": "vamp"}})], seeds=1)
    text = printed(*several, *single, "--columns", "elbo")
    assert re.search(r"vamp +-2\d\.\d\d ± \d\.\d\d†", text)
    assert re.search(r"flow +-\d\d\.\d\d ± \d\.\d\d\n", text) and "† over the data" in text


def test_columns_are_chosen_and_ordered(tmp_path, printed, capsys):
    settings = [(-20.0, {"latent_dim": 2}), (-25.0, {"latent_dim": 3})]
    runs = runs_of(tmp_path, settings)
    text = printed(*runs, "--columns", "p,elbo,seeds", "--format", "markdown")
    assert "| setting | p | ELBO | seeds |" in text
    line = next(csv.reader(io.StringIO(printed(*runs, "--columns", "elbo", "--format", "csv"))))
    assert [name for name in line if name.endswith("_mean")] == ["elbo_mean"]
    assert compare.main([*runs, "--columns", "elbow"]) == 2
    assert "--columns elbow: did you mean elbo?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "answer"),
    [("latent_dim=9", "no setting has this; there are"), ("vamp", "2 settings have this")],
)
def test_a_reference_is_one_setting(tmp_path, capsys, words, answer):
    settings = [(-20.0, {"latent_dim": n, "choices": {"prior": "vamp"}}) for n in (2, 3)]
    assert compare.main([*runs_of(tmp_path, settings, 1), "--reference", words]) == 2
    error = capsys.readouterr().err
    assert f"--reference {words}: {answer}" in error and error.count("\n") == 1


def test_the_table_of_the_results_is_made_by_the_command_above_it(tmp_path, printed):
    """Its heading, the names of its rows and their order; the trainings take an hour."""
    page = (ROOT / "docs" / "results.md").read_text()
    command = re.search(r"python compare.py \S+ (--format.*?)\n```", page, re.DOTALL)[1]
    words = re.findall(r"'([^']+)'|(\S+)", command.replace("\\\n", " "))
    lines = page[page.index("| setting | seeds | reconstruction") :].splitlines()[:10]
    names = [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]]
    base = {"prior": "standard_normal", "guide": "mean_field", "objective": "elbo"}
    settings = []
    for number, name in enumerate(names):
        changed = dict(word.split("=") for word in name.split(" · "))
        own = {"objective": {"warmup_epochs": 4}} if "beta" in name else {}
        how = {"choices": base | changed, "particles": 500, "name": "mnist", **own}
        settings.append((-90.0 - number, how))
    text = printed(*runs_of(tmp_path, settings), *(a or b for a, b in words))
    made = [line for line in text.splitlines() if line.startswith("|")]
    assert made[:2] == lines[:2]
    assert [line.split(" | ")[0].removeprefix("| ") for line in made[2:]] == names
    assert ["| reference |" in row for row in made] == ["| reference |" in row for row in lines]


def test_figures_lie_beside_the_page(tmp_path, printed, capsys):
    settings = [(-20.0, {"latent_dim": 2}), (-25.0, {"latent_dim": 3})]
    runs, page = runs_of(tmp_path, settings), tmp_path / "page.html"
    kinds = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    printed(*runs, "--out", str(page), "--figures", "pdf,svg")
    files = sorted((tmp_path / "page-figures").iterdir())
    assert len(files) == 4 * 3 and {file.stem for file in files} >= {"differences", "ladder"}
    assert all(file.read_bytes().startswith(kinds[file.suffix[1:]]) for file in files)
    assert compare.main([*runs, "--figures", "pdf"]) == 2
    assert "add --out PAGE" in capsys.readouterr().err
