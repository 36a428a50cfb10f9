"""Values of the command line that Hydra's grammar has no word for, such as most names of files."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException


def quoted(words: list[str]) -> list[str]:
    """Returns the overrides, quoted where Hydra cannot read the value as it stands.

    >>> quoted(["seed=0,1", "data.path=my file (1).npy", "x='a'"])
    ['seed=0,1', "data.path='my file (1).npy'", "x='a'"]
    """
    return [word if "=" not in word or _is_read(word) else _in_quotes(word) for word in words]


def _is_read(word: str) -> bool:
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return True


def _in_quotes(word: str) -> str:
    """Quotes the value; in Hydra's quotes, a backslash is itself unless a quote follows it."""
    name, value = word.split("=", 1)
    parts = value.split("'")
    backslashes = [len(part) - len(part.rstrip("\\")) for part in parts]
    escaped = [part + "\\" * count for part, count in zip(parts, backslashes, strict=True)]
    return f"{name}='" + "\\'".join(escaped) + "'"
