"""Values of the command line that Hydra's grammar has no word for, such as most names of files."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.errors import HydraException

from experiment.request import PLACES

# The options whose value names a file or a folder, whatever else it could mean.
NAMES = {"run_dir", *(f"data.{place}" for place in PLACES)}


def quoted(words: list[str], sweep: bool = False) -> list[str]:
    """Returns the overrides, quoted where Hydra takes the value for something else than it is.

    That is where its grammar has no such word, and for numbers, lists and the like where a file is
    to be named. In a `sweep` a comma stands between values.

    >>> quoted(["seed=0,1", "data.path=my file (1).npy", "x='a'", "run_dir=1e3"])
    ['seed=0,1', "data.path='my file (1).npy'", "x='a'", "run_dir='1e3'"]
    """
    return [
        word if "=" not in word or _is_read(word, sweep) else _in_quotes(word) for word in words
    ]


def _is_read(word: str, sweep: bool) -> bool:
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    if override.key_or_group not in NAMES or (sweep and override.is_sweep_override()):
        return True
    value = word.split("=", 1)[1]
    if value != value.strip():  # the grammar leaves blanks at its ends out
        return False
    return override.value() is None or isinstance(override.value(), (str, QuotedString))


def _in_quotes(word: str) -> str:
    """Quotes the value; in Hydra's quotes, a backslash is itself unless a quote follows it."""
    name, value = word.split("=", 1)
    parts = value.split("'")
    backslashes = [len(part) - len(part.rstrip("\\")) for part in parts]
    escaped = [part + "\\" * count for part, count in zip(parts, backslashes, strict=True)]
    return f"{name}='" + "\\'".join(escaped) + "'"
