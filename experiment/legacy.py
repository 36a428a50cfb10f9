"""Run directories of earlier revisions, as this revision would have written them.

Until revision cc0708d a run stored the dotted paths of its classes, and they were part of its
identity. What is read of them here is a name, which is then looked up among the choices. Arrays
were split in the order of the file, and there was no option for that.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from experiment import choices
from experiment.request import WHERE_NOT_WHAT, Plain, Request, identity

# The packages that held components then.
PACKAGES = ("data", "networks", "models", "guides", "inference")


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
        nodes["data"] = {"split_by": "order", **data}
    return {**plain, **({"choices": names} if nodes else {}), **nodes}


def split_as_there(request: Request, stored: Plain) -> Request:
    """Returns `request` with the split of the run `stored`, if that is older than the option."""
    there, data = migrated(stored), stored.get("data")
    older = isinstance(data, Mapping) and "split_by" not in data
    if request.data.name == "arrays" and older and there["choices"].get("data") == "arrays":
        return replace(request, data=request.data.having(split_by="order"))
    return request


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
