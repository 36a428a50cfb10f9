"""Packages that only some options need."""

from importlib.util import find_spec

from errors import RequestError


def needs(package: str, option: str) -> None:
    """Raises RequestError unless `package`, which `option` takes, is installed."""
    if find_spec(package) is None:
        raise RequestError(
            f"{option}: needs {package}, which is not installed: "
            "pip install -r requirements/tracking.txt"
        )
