"""Everything public says what it is: by itself, or by what it overrides."""

import importlib
import inspect
import pkgutil
from functools import cached_property
from importlib.util import find_spec
from types import FunctionType

import pytest

PACKAGES = (
    "configs",
    "data",
    "evidence",
    "guides",
    "inference",
    "models",
    "networks",
    "report",
)
DEFINED = (FunctionType, type, property, cached_property, classmethod, staticmethod)
NEED_MORE = {"report.mlflow": "mlflow", "report.tensorboard": "tensorboard"}
"""Modules that import what only requirements/tracking.txt has."""


def public(owner, module):
    """Names and values of what `module` itself defines: functions, classes, and what is in those."""
    for name, value in vars(owner).items():
        if name.startswith("_") or not isinstance(value, DEFINED):
            continue
        if (isinstance(value, type) or owner is module) and value.__module__ != module.__name__:
            continue  # imported
        yield name, getattr(owner, name)
        if isinstance(value, type):
            yield from ((f"{name}.{inner}", part) for inner, part in public(value, module))


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_explains_itself(package):
    root = importlib.import_module(package)
    silent = []
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if found.name in NEED_MORE and not find_spec(NEED_MORE[found.name]):
            continue
        module = importlib.import_module(found.name)
        silent += [
            f"{found.name}.{name}"
            for name, value in [("", module), *public(module, module)]
            if not inspect.getdoc(value)
        ]
    assert not silent
