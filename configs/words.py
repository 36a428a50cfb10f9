"""The words of a command line, checked before Hydra sees them: what is said here is said better.

Hydra still has the last word: what begins with +, and its own options, pass.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from configs.described import default_of, files_of, general_options, options_of, overridden
from configs.quoting import NAMES
from data.places import no_folder
from errors import RequestError, choose_from
from experiment.choices import AXES, CONFIGS


def check_words(words: Sequence[str], folder: str | None = None, sweep: bool = False) -> None:
    """Raises RequestError for a word that names no option or choice, or several values.

    Arguments:
        words: `axis=choice` and `option=value`.
        folder: holds choices of somebody's own.
        sweep: whether several values are asked for, by -m.
    """
    if folder and (why := no_folder(Path(folder))):
        raise RequestError(f"--config-dir {folder}: {why}")
    files = {axis: files_of([CONFIGS, *([Path(folder)] if folder else [])], axis) for axis in AXES}
    given = [pair for word in words if (pair := _pair(word)) is not None]
    elsewhere = any(word.lstrip("+").startswith("hydra.searchpath=") for word in words)
    chosen = {axis: [default_of(axis)] for axis in AXES}
    for name, value in given:
        whole = name in NAMES  # a name of a file, whatever is in it
        if "," in value and not sweep and not whole and not re.search(r"[\[{('\"]", value):
            raise RequestError(f"{name}={value}: several values make a sweep; add -m")
        if name in AXES:
            chosen[name] = value.split(",") if sweep else [value]
            for one in chosen[name]:
                unknown = one not in files[name] and not elsewhere
                if unknown and not re.search(r"[\[{('\"$]", one):
                    raise no_such_choice(name, one, list(files[name]))
    for name, _ in given:
        _check_all_have(name, files, chosen)
    for axis in AXES:
        for one in chosen[axis]:
            for other, name in overridden(files[axis][one]).items() if one in files[axis] else ():
                chosen[other].append(name)
    for name, _ in given:
        if name not in AXES:
            _check_option(name, files, chosen)


def no_such_choice(axis: str, name: str, known: Sequence[str]) -> RequestError:
    """Returns the refusal of a choice that does not exist."""
    if axis == "data" and (file := Path(name)).suffix + file.anchor:
        return RequestError(f"data={name}: no such choice; your own: data=arrays data.path={name}")
    return RequestError(f"{axis}={name}: no such choice; {choose_from(name, known)}")


def _pair(word: str) -> tuple[str, str] | None:
    """Returns the name and the value that a word is made of; None for a word that is Hydra's."""
    name, equals, value = word.partition("=")
    if name.startswith("~"):
        raise RequestError(f"{word}: nothing can be taken away; give another choice or value")
    if name.startswith("+") or re.match(r"hydra\b|.*@", name):
        return None
    if not equals:
        what = f"did you mean {name.lstrip('-')}=…?" if name in AXES else "see train.py --help"
        raise RequestError(f"{word}: expected axis=choice or option=value; {what}")
    return name, value


def _check_option(
    name: str, files: dict[str, dict[str, Path]], chosen: dict[str, list[str]]
) -> None:
    """Raises RequestError unless there is an option of that name."""
    general = [option.name for option in general_options()]
    axis = name.split(".")[0]
    if name in general or axis not in AXES:
        if name in general or name == "train":
            return
        known = [o for a in AXES for o in _options(a, files, chosen)]
        raise RequestError(f"{name}: no such option; {nearest(name, [*AXES, *general, *known])}")
    paths = [files[axis][one] for one in chosen[axis] if one in files[axis]]
    foreign = any(CONFIGS not in path.parents for path in paths)
    if foreign or not paths or name in _options(axis, files, chosen):
        return  # a foreign file may take options from others, which Hydra knows
    own = [option.split(".")[1] for option in _options(axis, files, chosen)]
    near = get_close_matches(name.split(".", 1)[1], own, n=1)
    mean = f"did you mean {axis}.{near[0]}? " if near else ""
    others = [
        one for one, path in files[axis].items() if name in (o.name for o in options_of(axis, path))
    ]
    has = f"it has {', '.join(own)}" if own else "it has none"
    also = f"; {name} belongs to {axis}={', '.join(others)}" if others else ""
    what = f"{axis}={','.join(dict.fromkeys(chosen[axis]))}"
    raise RequestError(f"{name}: no such option of {what}; {mean}{has}{also}")


def _check_all_have(
    name: str, files: dict[str, dict[str, Path]], chosen: dict[str, list[str]]
) -> None:
    """Raises RequestError for an option that some choices of a sweep have, and others have not."""
    axis = name.split(".")[0]
    have: list[str] = []
    lack: list[str] = []
    for one in chosen.get(axis, []):
        if "." not in name or CONFIGS not in files[axis].get(one, Path()).parents:
            return
        (have if name in _options(axis, files, {axis: [one]}) else lack).append(one)
    if have and lack:
        raise RequestError(
            f"{name}: no such option of {axis}={','.join(lack)}; sweep {axis}={','.join(have)} "
            "alone with it"
        )


def _options(
    axis: str, files: dict[str, dict[str, Path]], chosen: dict[str, list[str]]
) -> list[str]:
    """Returns the names of the options that the choices on an axis have."""
    paths = [files[axis][one] for one in chosen[axis] if one in files[axis]]
    return list(dict.fromkeys(option.name for path in paths for option in options_of(axis, path)))


def nearest(name: str, known: Sequence[str]) -> str:
    """Returns the option that was meant, or where to find all.

    >>> known = ["latent_dim", "train.epochs", "train.learning_rate"]
    >>> nearest("epochs", known), nearest("lr", known), nearest("latent-dim", known)
    ('did you mean train.epochs?', 'did you mean train.learning_rate?', 'did you mean latent_dim?')
    """
    last = name.split(".")[-1]
    by_last = {one.split(".")[-1]: one for one in reversed(known)}
    initials = {"".join(part[0] for part in one.split("_")): one for one in by_last}
    near = get_close_matches(name, known, n=1, cutoff=0.75)
    near = near or [by_last[one] for one in get_close_matches(last, by_last, n=1, cutoff=0.7)]
    near = near or [by_last[initials[last]]] if last in initials or near else []
    return f"did you mean {near[0]}?" if near else "train.py --help lists all"
