"""Where annealing puts log p(x), on real data and on simulated ones, where it can be had from both sides."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.result import Evaluation
from evidence import Estimate
from evidence.estimate import Annealed, measured, paired
from experiment import Run
from report.figures.style import ACCENT, DARK, MARKS


def bracket(run: Run, evaluation: Evaluation) -> Figure | None:
    """Both panels: bounds minus forward AIS, paired per datum, with 2 standard errors."""
    calibration, bounds = evaluation.diagnostics.annealing, evaluation.bounds
    if calibration is None:
        return None
    figure = Figure(figsize=(10, 2.6))
    real, simulated = figure.subplots(1, 2)
    ais = bounds.ais
    assert ais is not None and isinstance(ais.details, Annealed)
    temperatures = ais.details.temperatures
    iwae = f"IWAE-{calibration.iwae.particles}"
    shown = {iwae: bounds.iwae, f"AIS-{temperatures}": ais} | (
        {"log p(x)": bounds.exact} if bounds.exact is not None else {}
    )
    _rungs(real, shown, ais)
    real.set_title(f"The first {ais.num_examples} {evaluation.split} data")
    lower, upper = calibration.bracket.lower, calibration.bracket.upper
    _rungs(
        simulated,
        {iwae: calibration.iwae, f"AIS-{temperatures}": lower, "reverse AIS": upper},
        lower,
    )
    simulated.set_title(
        f"{lower.num_examples} simulated data: a gap of {float(calibration.bracket.gap.mean()):.2f} nats"
    )
    return figure


def _rungs(axis: Axes, bounds: dict[str, Estimate], reference: Estimate) -> None:
    for row, bound in enumerate(bounds.values()):
        difference = measured(paired(bound, reference))
        colour = ACCENT if bound.kind == "exact" else DARK
        mark = MARKS[bound.kind]
        axis.errorbar(
            difference["mean"],
            row,
            xerr=2 * difference["se"],
            fmt=mark,
            color=colour,
            markersize=8,
            capsize=3,
        )
    axis.set_yticks(range(len(bounds)), list(bounds))
    axis.set_ylim(len(bounds) - 0.5, -0.5)
    axis.axvline(0, color="#888888", linewidth=0.8)
    axis.margins(x=0.15)
    axis.set_xlabel("nats per datum from AIS (paired, ± 2 s.e.)")
