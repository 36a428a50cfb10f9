"""Rate against distortion."""

from collections.abc import Sequence

from evaluation.quantities import equal_elbos
from report.comparison.quantities import Quantity
from report.page.chart import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    Mark,
    polyline,
    scale,
    whisker,
)
from report.page.charts.shown import ERRORS, Shown, around, legend


def rate_distortion(runs: Sequence[Shown]) -> Chart | None:
    """Draws rate against distortion: along a diagonal the ELBO is the same (Alemi et al. 2018)."""
    points = [
        (shown, shown.run.nats[Quantity.RATE], shown.run.nats[Quantity.RECONSTRUCTION])
        for shown in runs
        if {Quantity.RATE, Quantity.RECONSTRUCTION} <= set(shown.run.nats)
    ]
    if not points:
        return None
    rates = [end for _, rate, _ in points for end in around(rate.mean, rate)]
    distortions = [end for _, _, term in points for end in around(-term.mean, term)]
    x = scale(rates, LEFT, WIDTH - RIGHT, 0.1)
    y = scale(distortions, HEIGHT - BOTTOM, TOP, 0.1)
    marks = []
    for shown, rate, term in points:
        elbo = term.mean - rate.mean
        sizes = f"rate {rate.mean:.2f}, distortion {-term.mean:.2f}, ELBO {elbo:.2f}"
        label, series = f"{shown.label}: {sizes}", shown.series
        place, height = x(rate.mean), y(-term.mean)
        wide = [x(end) for end in around(rate.mean, rate)]
        high = [y(end) for end in around(-term.mean, term)]
        for path in (whisker(wide, height), whisker(high, place, upright=True)):
            marks.append(Mark(series, label, path=path, glyph="whisker"))
        marks.append(Mark(series, label, x=place, y=height, glyph="●"))
    lines = equal_elbos((x.low, x.high), (y.low, y.high))
    ends = [(line.start, line.end) for line in lines]
    guides = [polyline([(x(rate), y(d)) for rate, d in both]) for both in ends]
    return Chart(
        name="rate-distortion",
        title="Rate and distortion",
        note=f"Along a dashed line the ELBO is the same, lower left higher. {ERRORS}",
        x=x,
        xlabel="rate  KL(q‖p), nats",
        y=y,
        ylabel="distortion  −E log p(x|z)",
        marks=marks,
        guides=guides,
        legend=legend([shown for shown, _, _ in points]),
    )
