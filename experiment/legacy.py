"""Run directories of earlier revisions, as this revision would have written them.

Until revision cc0708d a run stored the dotted paths of its classes, and they were part of its
identity. What is read of them here is a name, which is then looked up among the choices. Arrays
were split in the order of the file and never standardised, and there were no options for that.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from experiment import choices
from experiment.request import WHERE_NOT_WHAT, Plain, Request, identity

# The packages that held components then.
PACKAGES = ("data", "networks", "models", "guides", "inference")


# What arrays had no option for, and how it was.
THEN: dict[str, choices.Option] = {"split_by": "order", "standardise": False}


def migrated(plain: Plain) -> dict[str, Any]:
    """Returns the request `plain` with names of choices in place of class paths."""
    names = dict(plain["choices"]) if isinstance(plain.get("choices"), dict) else {}
    nodes: dict[str, Any] = {}
    for axis in choices.AXES:
        node = plain.get(axis)
        if isinstance(node, dict) and (name := _name(axis, node.get("_target_"))):
            names[axis] = name
            nodes[axis] = {key: value for key, value in node.items() if key != "_target_"}
    data = nodes.get("data", plain.get("data"))
    if names.get("data") == "arrays" and isinstance(data, Mapping):
        nodes["data"] = {**THEN, **data}
    return {**plain, **({"choices": names} if nodes else {}), **nodes}


def as_then(request: Request, stored: Plain) -> Request:
    """Returns `request` as it was meant when the run `stored` was made, if it is older than THEN.

    What the request asks for otherwise than by default stays.
    """
    there, data = migrated(stored), stored.get("data")
    if request.data.name != "arrays" or not isinstance(data, Mapping):
        return request
    if there["choices"].get("data") != "arrays":
        return request
    default = choices.defaults("data", "arrays")
    older = {
        name: value
        for name, value in THEN.items()
        if name not in data and request.data.options.get(name) == default[name]
    }
    return replace(request, data=request.data.having(**older))


def digest_then(plain: Plain) -> str:
    """Returns the digest that revision cc0708d gave to the request `plain` as it is stored."""
    what = identity(plain)
    if isinstance(plain.get("data"), dict) and "cache" in plain["data"]:
        assert "data.cache" in WHERE_NOT_WHAT  # which it was not then
        what["data.cache"] = plain["data"]["cache"]
    return hashlib.sha256(repr(sorted(what.items())).encode()).hexdigest()


def _name(axis: str, target: object) -> str | None:
    """Returns the choice that lay at `target` then, in a module or function of its name."""
    parts = str(target).split(".")
    if len(parts) < 2 or parts[0] not in PACKAGES:
        return None
    return next((part for part in parts[-2:] if part in choices.names(axis)), None)
