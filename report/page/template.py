"""Filling the templates: every value is escaped, styles and scripts are put inside the page."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """The template of that name with `values`."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment.get_template(template).render(**values)


def _number(value: Any) -> str:
    return f"{value:.3f}".replace("-", "−") if isinstance(value, int | float) else str(value)
