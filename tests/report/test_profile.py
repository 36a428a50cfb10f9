"""What the axes of profiles say: columns by name, whole dimensions, and their units."""

import pytest
import torch
from matplotlib.figure import Figure

from data import View, open_dataset
from data.raw import RawData, RawSplit
from report.figures.profile import in_standard_units, label_profiles


@pytest.mark.parametrize("columns", [None, ("height", "a name that goes on and on", "mass")])
@pytest.mark.parametrize("far", [False, True], ids=["standard", "units"])
def test_axes_of_profiles(columns, far):
    values = torch.randn(60, 3) * torch.tensor([1.0, 1.0, 500.0 if far else 1.0])
    splits = [RawSplit(part.numpy()) for part in values.split([40, 10, 10])]
    data = open_dataset(
        RawData(*splits, None, standardise=True, columns=columns), "table", View("real")
    )
    drawn = in_standard_units(data)(values[:40])
    assert drawn.std(0).max() < 2.0 and (far or torch.equal(drawn, values[:40]))
    figure = Figure()
    figure.subplots().plot(drawn.T)
    label_profiles(figure, data)
    figure.canvas.draw()
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    if columns is None:
        assert all(
            float(tick.replace("\N{MINUS SIGN}", "-")).is_integer() for tick in ticks if tick
        )
    else:
        assert ticks == ["height", "a name that g…", "mass"]
    assert figure.get_supxlabel() == ("dimension" if columns is None else "column")
    expected = "standard deviations from the mean" if far else "value"
    assert figure.get_supylabel() == expected
