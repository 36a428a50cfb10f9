"""What a setting is called: the options that tell it from the other settings."""

import re
from collections.abc import Sequence

from report.comparison.reading import Settings

CHOICE = "choices."
BETWEEN = " · "


def labels_of(settings: Sequence[Settings], reference: int | None = None) -> list[str]:
    """Returns what tells each setting from the others; for a single one, its choices.

    If there is a reference, the others are called by what they change.
    """
    varied = differing(settings)
    if not varied:
        chosen = [
            str(value)
            for name, value in settings[0].items()
            if name.startswith(CHOICE) and name != "choices.data"
        ]
        return [BETWEEN.join(chosen) or "the run"] * len(settings)
    labels = [_label(one, varied) for one in settings]
    if reference is None:
        return labels
    given = settings[reference]
    changed = [
        label if one is given else _label(one, [k for k in varied if one.get(k) != given.get(k)])
        for one, label in zip(settings, labels, strict=True)
    ]
    return changed if len(set(changed)) == len(changed) else labels


def _label(one: Settings, names: Sequence[str]) -> str:
    told = [f"{name.removeprefix(CHOICE)}={one[name]}" for name in names if name in one]
    return BETWEEN.join(told) or "defaults"


def named(settings: Sequence[Settings], words: str) -> list[int]:
    """Returns the numbers of the settings that a user means by `words`.

    The words are the label of a setting; or options with their values and names of choices, all of
    which it has.
    """
    labels = labels_of(settings)
    if words in labels:
        return [labels.index(words)]
    every = set(re.split(r"[,\s·]+", words.strip()))
    known = [
        {f"{name.removeprefix(CHOICE)}={value}" for name, value in one.items()}
        | {str(value) for name, value in one.items() if name.startswith(CHOICE)}
        for one in settings
    ]
    return [index for index, options in enumerate(known) if every <= options]


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
