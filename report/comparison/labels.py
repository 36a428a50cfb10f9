"""What a setting is called: the options that tell it from the other settings."""

from collections.abc import Sequence

from report.comparison.reading import Settings

CHOICE = "choices."


def labels_of(settings: Sequence[Settings]) -> list[str]:
    """Returns what tells each setting from the others; for a single one, its choices."""
    varied = differing(settings)
    if not varied:
        chosen = [
            str(value)
            for name, value in settings[0].items()
            if name.startswith(CHOICE) and name != "choices.data"
        ]
        return [" · ".join(chosen) or "the run"] * len(settings)
    labels = []
    for one in settings:
        told = [f"{key.removeprefix(CHOICE)}={one[key]}" for key in varied if key in one]
        labels.append(" · ".join(told) or "defaults")
    return labels


def differing(settings: Sequence[Settings]) -> list[str]:
    """Returns the options in which settings differ, in the order of the configuration.

    A choice brings options of its own along: those that only some settings have are left to the
    choice's name, unless they differ between settings of the same choice. Paths of classes
    (`_target_`, which configurations of earlier revisions have) are no options.
    """
    names = dict.fromkeys(name for one in settings for name in one)
    varied = [
        name
        for name in names
        if not name.endswith("_target_") and len({_value(one, name) for one in settings}) > 1
    ]
    chosen = [name.removeprefix(CHOICE) for name in varied if name.startswith(CHOICE)]

    def tells(name: str) -> bool:
        axis = name.split(".")[0]
        if axis not in chosen or all(name in one for one in settings):
            return True
        by_choice: dict[str | None, set[str | None]] = {}
        for one in settings:
            values = by_choice.setdefault(_value(one, CHOICE + axis), set())
            values.add(_value(one, name))
        return any(len(values) > 1 for values in by_choice.values())

    return [name for name in varied if tells(name)]


def _value(settings: Settings, name: str) -> str | None:
    """Returns the option's value as text that can be compared, or None if it is absent."""
    return repr(settings[name]) if name in settings else None
