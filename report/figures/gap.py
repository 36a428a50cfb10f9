"""What log p(x) − ELBO is made of."""

from matplotlib.figure import Figure

from evaluation.explain import SOURCES
from evaluation.result import Evaluation
from evidence.estimate import measured
from experiment import Run
from report.figures.style import ACCENT, DARK, MIDDLE


def gap(run: Run, evaluation: Evaluation) -> Figure | None:
    """One bar a split: the family's part, then the encoder's; a line where a richer family would end."""
    splits = evaluation.diagnostics.gap
    if splits is None:
        return None
    figure = Figure(figsize=(8, 0.9 + 0.7 * len(splits.by_split)))
    axis = figure.subplots()
    labels = []
    for row, (name, parts) in enumerate(splits.by_split.items()):
        family, encoder = measured(parts.approximation), measured(parts.amortization)
        total = family["mean"] + encoder["mean"]
        axis.barh(row, family["mean"], color=MIDDLE, hatch="//", edgecolor="white", height=0.55)
        axis.barh(
            row, encoder["mean"], left=family["mean"], color=ACCENT, edgecolor="white", height=0.55
        )
        axis.errorbar(
            [family["mean"], total],
            [row, row],
            xerr=[2 * family["se"], 2 * encoder["se"]],
            fmt="none",
            color=DARK,
            capsize=3,
        )
        richer = parts.richer_approximation
        if richer is not None:
            axis.vlines(float(richer.mean()), row - 0.38, row + 0.38, color=DARK, linewidth=2)
        labels.append(f"{name}, {parts.num_examples} data\nlog p(x): {SOURCES[parts.source]}")
    axis.set_yticks(range(len(labels)), labels)
    axis.invert_yaxis()
    axis.axvline(0, color="#888888", linewidth=0.8)
    axis.set_xlabel("nats per datum (± 2 s.e.)")
    axis.set_title(
        "log p(x) − ELBO:  ▨ the family's part  ■ the encoder's  ┃ left by a richer family"
    )
    return figure
