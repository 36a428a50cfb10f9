"""Sixty runs on one page: light enough to send, quick to make and to open."""

import itertools
import json
import re
import resource

import numpy as np
import pytest
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import compare
from report.figures.mosaic import mosaic
from report.figures.style import STYLE
from tests.made_runs import make_run
from tests.report.page.browser import MILLISECONDS_TO_OPEN

SECONDS, OPENED, BYTES = 10, 2, 25_000_000


def drawn(file, rows, columns):
    """A figure as a run of 28×28 pictures has: as large in pixels, as hard to compress."""
    images = torch.tensor(load_digits().images[: rows * columns] / 16).float().unsqueeze(1)
    images = torch.nn.functional.interpolate(images, (28, 28), mode="bicubic").clamp(0, 1)
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 10 * rows / columns + 0.4))
        figure.subplots().imshow(mosaic(images, rows, columns), vmin=0, vmax=1)
        figure.savefig(file, dpi=150)
    return file.read_bytes()


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """The PNG of each figure that the page shows, by name."""
    folder = tmp_path_factory.mktemp("figures")
    sizes = {"reconstructions": (2, 12), "samples": (8, 16), "latent_space": (12, 12)}
    return {name: drawn(folder / f"{name}.png", *size) for name, size in sizes.items()}


def many(folder, figures, settings, seeds):
    """Runs on 10,000 data, 200 epochs each, with figures."""
    noise = np.random.default_rng(0)
    data = noise.normal(-100, 15, 10_000)
    lines = [
        {"epoch": e, "split": s, "elbo": -100 - 60 / e, "kl": 20.0}
        for e in range(1, 201)
        for s in ("train", "valid")
    ]
    runs = []
    for number, seed in itertools.product(range(settings), range(seeds)):
        elbo = data + noise.normal(number / 30, 2, 10_000)
        runs.append(
            make_run(folder / f"{number}-{seed}", elbo, seed=seed, name="mnist", latent_dim=number)
        )
        (runs[-1] / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        for name, figure in figures.items():
            (runs[-1] / "figures" / f"{name}.png").write_bytes(figure)
    return runs


def test_a_page_of_sixty_runs_is_light_and_has_every_figure(figures, tmp_path):
    runs, file = many(tmp_path, figures, settings=20, seeds=3), tmp_path / "page.html"
    assert compare.main([*map(str, runs), "--out", str(file)]) == 0
    assert file.stat().st_size < BYTES
    assert file.read_text().count("<img src=") == 20 * 3


@pytest.mark.parametrize("room", [1.0, 0.5])
def test_figures_that_are_too_many_are_drawn_smaller(figures, tmp_path, monkeypatch, room):
    whole = 3 * sum(map(len, figures.values()))
    monkeypatch.setattr("report.page.comparison.FIGURE_BYTES", room * whole)
    runs = many(tmp_path, figures, settings=3, seeds=1)
    assert compare.main([*map(str, runs), "--out", str(tmp_path / "page.html")]) == 0
    text = (tmp_path / "page.html").read_text()
    assert ("image/webp" in text) == (room < 1) and text.count("<img src=") == 9
    assert sum(map(len, re.findall('base64,([^"]*)', text))) <= 4 / 3 * room * whole + 4 * 9


def seconds_of_children():
    """The seconds of computing: at least those of the clock, on a machine with no other work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.verify
def test_sixty_settings_are_compared_and_opened_soon(figures, command, browser, tmp_path):
    runs, file = many(tmp_path, figures, settings=60, seeds=1), tmp_path / "page.html"
    started = seconds_of_children()
    assert command("compare.py", *runs, "--out", file).returncode == 0
    assert seconds_of_children() - started < SECONDS
    assert file.stat().st_size < BYTES
    browser.get(file.as_uri())
    assert 0 < browser.execute_script(MILLISECONDS_TO_OPEN) < 1000 * OPENED
