"""What Hydra says of a wrong command line, in one line of this project's own."""

import re
from dataclasses import fields
from difflib import get_close_matches

from configs import schema
from inference.plan import Train

KINDS = {"Integer": "a whole number", "Float": "a number", "not Optional": "a value, not null"}
# Options of components that are asked for most.
OFTEN = ("root", "space", "path", "limit"), ("width", "layers"), ("scale",)


def one_line(error: BaseException) -> str:
    """Returns what was given, what is accepted, and the nearest fix."""
    message = str(error)
    if found := re.search(r"Could not find '([^/']+)/([^']*)'", message):
        axis, choice = found.groups()
        options = re.findall(r"^\t(\S+)$", message, re.MULTILINE)
        return f"{axis}={choice}: no such choice; choose from {', '.join(options)}"
    if found := re.search(r"(?:override|Key) '([^']+)'", message):
        return f"{found[1]}: no such option{nearest(found[1])}"
    if found := re.search(r"merging override (\S+=.*)$", message.splitlines()[0]):
        cause = str(error.__cause__ or message)
        kind = re.search(r"could not be converted to (\w+)|(not Optional)", cause)
        name = (kind[1] or kind[2]) if kind else ""
        return f"{found[1]}: expected {KINDS.get(name, name or 'something else')}"
    return " ".join(line.strip() for line in message.splitlines() if line.strip())


def nearest(option: str) -> str:
    """Returns the option that was meant by `option`, or else all that there are."""
    known = [f"train.{field.name}" for field in fields(Train)]
    known += [field.name for field in fields(schema.Schema)]
    for axis, names in zip(("data", "network", "likelihood"), OFTEN, strict=True):
        known += [f"{axis}.{name}" for name in names]
    near = get_close_matches(option, known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(name for name in known if name != 'train')}"
