"""What the page's script, explorer.js, is given: plain values, written into the page as JSON."""

from typing import TypedDict

# Values that JSON has no number for are null.
Values = list[float | None]


class LookContent(TypedDict):
    """How a datum is drawn: as a picture, or as the profile of its values by dimension.

    `drawn` is (height, width) in pixels or (length,); `low` and `high` are the ends of the scale.
    `columns` are the names at the axis of a profile, if there is room for them.
    """

    picture: bool
    drawn: tuple[int, ...]
    low: float
    high: float
    columns: list[str] | None


class PictureSheet(TypedDict):
    """Pictures side by side in one image at the address `source`, `columns` in a row."""

    source: str
    columns: int


class ProfileSheet(TypedDict):
    """Profiles one after the other, a byte a value, in base64."""

    bytes: str


Sheet = PictureSheet | ProfileSheet


class Sheets(TypedDict):
    """The data, their reconstructions, and what is decoded elsewhere."""

    x: Sheet
    mean: Sheet
    decoded: Sheet


class Measured(TypedDict):
    """A quantity with a number for every datum."""

    name: str
    values: Values


class Axis(Measured):
    """A latent dimension: every datum's code, and the places that its slider stops at."""

    places: Values


class Doubtful(TypedDict):
    """The measured number whose values above a threshold are not to be trusted."""

    name: str
    above: float | None


class ExplorerContent(TypedDict):
    """All of it.

    `names` say where the data come from; `labels` are numbers of `classes`, if there are any.
    """

    look: LookContent
    sheets: Sheets
    axes: list[Axis]
    measured: list[Measured]
    doubtful: Doubtful
    names: list[str]
    labels: list[int] | None
    classes: list[str]
    plane: bool
    starts: list[int]
    notes: list[str]
