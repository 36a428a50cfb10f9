"""What Hydra says of a wrong command line, in one line of this project's own."""

import re

from configs.described import general_options
from errors import choose_from

KINDS = {
    "Integer": "a whole number",
    "Float": "a number",
    "bool": "true or false",
    "not Optional": "a value, not null",
}


def one_line(error: BaseException) -> str:
    """Returns what was given, what is accepted, and the nearest fix."""
    message = str(error)
    if found := re.search(r"Could not find '([^/']+)/([^']*)'", message):
        axis, choice = found.groups()
        options = re.findall(r"^\t(\S+)$", message, re.MULTILINE)
        return f"{axis}={choice}: no such choice; {choose_from(choice, options)}"
    if found := re.search(r"(?:override|Key) '([^']+)'", message):
        return f"{found[1]}: no such option; train.py --help lists all"
    if found := re.search(r"merging override (\S+=.*)$", message.splitlines()[0]):
        cause = str(error.__cause__ or message)
        kind = re.search(
            r"(?:could not be converted to|is not a valid) (\w+)|(not Optional)", cause
        )
        name = (kind[1] or kind[2]) if kind else ""
        expected = f"{found[1]}: expected {KINDS.get(name, name or 'something else')}"
        option = found[1].partition("=")[0]
        usual = next((o.default for o in general_options() if o.name == option), "null")
        return expected if usual == "null" else f"{expected}, such as {option}={usual}"
    return " ".join(line.strip() for line in message.splitlines() if line.strip())
