"""What every figure of a run must have, whatever the run: read off the figures themselves."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from evaluation.export import export
from evaluation.imputation import hold_back
from evaluation.local_fit import Fit
from evaluation.masks import Mask, missing_mask
from evaluation.measure import Wanted, evaluate
from evidence import Annealing
from experiment import train
from report import figures
from report.epochs import epoch_ticks
from report.figures.imputations import imputations
from report.figures.latent_space import latent_space
from report.figures.manifold import manifold
from report.figures.style import ACCENT, DARK
from report.imputed import imputation_table
from report.page.chart import HEIGHT
from report.page.run_charts import learning_charts

KINDS = {
    "conditional": ("model=conditional",),
    "vectors": ("data=linear_gaussian", "data.examples=600", "likelihood=gaussian", "latent_dim=3"),
    "counts": ("data.space=counts", "likelihood=poisson", "latent_dim=1"),
}
FEW = Wanted(particles=30, elbo_particles=4, limit=12)
# This takes seconds, and its figures are the same for every kind of run.
EVERYTHING = replace(
    FEW,
    annealing=Annealing(2, 2),
    annealed=3,
    gap=3,
    fit=Fit(steps=2, measured=10),
    simulations=20,
)
SMALL = ("network.width=8", "data.limit=60", "train.epochs=7", "train.compile=off", "device=cpu")


@pytest.fixture(scope="module", params=KINDS)
def drawn(request, tmp_path_factory) -> dict[str, Figure]:
    """Every figure that a run of this kind has, by name."""
    folder = tmp_path_factory.mktemp(request.param)
    run = train(*SMALL, *KINDS[request.param], f"run_dir={folder / 'run'}")
    wanted = EVERYTHING if request.param == "counts" else FEW
    evaluation = evaluate(run, wanted)
    with figures.style(), torch.no_grad():
        made = {name: draw(run, evaluation) for name, draw in figures.FIGURES.items()}
        mask = missing_mask("random:0.5", run.dataset.shape, 12)
        imputed = hold_back(run, "test", Mask("random:0.5", mask), 20)
        made["imputations"] = imputations(imputed)
    for figure in filter(None, made.values()):
        figure.canvas.draw()
    assert "effective sample size" in imputation_table(imputed)
    return {name: figure for name, figure in made.items() if figure is not None}


def test_there_is_one_minus_sign(drawn):
    for name, figure in drawn.items():
        for text in figure.findobj(Text):
            words = text.get_text()
            hyphens = [b for a, b in itertools.pairwise(f" {words}") if a in " (±" and b == "-"]
            assert not hyphens, f"{name}: {words}"


def test_what_is_red_is_in_a_legend(drawn):
    """A line that is no mark of a bound, and no error bar of a mark that is explained."""
    for name, figure in drawn.items():
        named = {
            to_hex(handle.get_color())
            for legend in [*figure.legends, *(axis.get_legend() for axis in figure.axes)]
            if legend is not None
            for handle in legend.findobj(Line2D)
        }
        red = [
            line
            for axis in figure.axes
            for line in axis.lines
            if isinstance(line, Line2D) and to_hex(line.get_color()) == ACCENT
        ]
        assert not red or ACCENT in named, name


def test_bars_have_a_length_to_compare(drawn):
    """On a scale of logarithms a bar begins nowhere."""
    for name, figure in drawn.items():
        for axis in figure.axes:
            assert not (axis.patches and "log" in (axis.get_yscale(), axis.get_xscale())), name
            black = [p for p in axis.patches if to_hex(p.get_facecolor()) == DARK]
            assert not black, name


def test_epochs_have_their_ends_and_are_whole(drawn):
    for axis in drawn["learning_curves"].axes:
        ticks = axis.get_xticks()
        assert (ticks[0], ticks[-1]) == (1, 7) and (ticks == ticks.round()).all()


def test_a_model_given_labels_has_a_plane_for_each(drawn, request):
    panels = len(drawn["manifold"].axes) if "manifold" in drawn else 0
    kind = request.node.callspec.params["drawn"]
    assert panels == {"conditional": 10}.get(kind, 0)


def test_labels_stand_by_name(tmp_path) -> None:
    """Whatever they are: matplotlib would take some for TeX, and most of those for wrong TeX."""
    run = train(*SMALL, *KINDS["conditional"], f"run_dir={tmp_path / 'run'}")
    names = ("$x^{$", "$5", "a\nb", "-1", "ä", "", "_c", r"\frac", "2000007", "n" * 99)
    run = replace(run, dataset=replace(run.dataset, classes=names))
    evaluation = evaluate(run, FEW)
    shown = (r"\$x^{\$", r"\$5", r"a\nb", "-1", "ä", "", "_c", r"\frac", "2000007")
    for figure in (latent_space(run, evaluation), manifold(run, evaluation)):
        figure.canvas.draw()
        texts = {text.get_text().removeprefix("y = ") for text in figure.findobj(Text)}
        assert len(texts & set(shown)) >= 5 and "n" * 21 not in texts
        assert not texts & {str(number) for number in range(10)}
    assert set(shown) <= texts
    export(evaluation, "latents")
    arrays = np.load(run.path / "export-latents.npz")
    labels = run.data("test").labels[: FEW.limit].tolist()
    assert arrays["classes"][arrays["labels"]].tolist() == [names[number] for number in labels]


def test_ticks_of_epochs() -> None:
    for first, last in itertools.combinations_with_replacement((*range(1, 40), 200, 1234), 2):
        ticks = epoch_ticks(first, last)
        assert ticks[0] == first and ticks[-1] == last and len(ticks) <= 6
        assert last - first < 2 or len(ticks) > 2
        assert min(np.diff(ticks), default=1) >= (last - first) / 12


def test_curves_are_cut_by_the_frame_and_not_drawn_along_it() -> None:
    """Along it, the first epochs would look like a plateau."""
    records = [
        {"epoch": e, "split": "valid", "elbo": -1000.0 if e < 3 else -20.0 + e / 100}
        for e in range(1, 101)
    ]
    (chart,) = learning_charts(records, kept=100)
    assert [label for _, label in chart.x.ticks] == ["1", "50", "100"]
    heights = [float(point.split()[1]) for point in chart.marks[0].path[1:].split("L")]
    assert min(heights[:2]) > 5 * HEIGHT and max(heights[5:]) < HEIGHT


def test_figures_come_in_other_formats_too_and_are_the_same_each_time(tmp_path) -> None:
    run = train(*SMALL, "train.epochs=1", f"run_dir={tmp_path / 'run'}")
    evaluation = evaluate(run, Wanted(particles=30, elbo_particles=4, limit=4))
    figure = figures.FIGURES["identity"](run, evaluation)
    names = figures.save(figure, run, "identity", "test", ["pdf", "svg"])
    assert names == ["identity.png", "identity.pdf", "identity.svg"]
    first = {name: (run.path / "figures" / name).read_bytes() for name in names}
    assert first["identity.pdf"].startswith(b"%PDF") and b"<svg" in first["identity.svg"]
    again = figures.FIGURES["identity"](run, evaluation)
    figures.save(again, run, "identity", "test", ["pdf", "svg"])
    assert first == {name: (run.path / "figures" / name).read_bytes() for name in names}
