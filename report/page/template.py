"""Filling the templates: every value is escaped, and styles and scripts are put inside the page."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.measured import shown, typeset

HERE = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    """Returns the template of that name, filled with `values`."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["typeset"] = typeset
    return environment.get_template(template).render(**values)


def _number(value: object) -> str:
    return typeset(shown(value, 3)) if isinstance(value, int | float) else str(value)
