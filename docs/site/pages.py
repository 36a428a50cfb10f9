"""What becomes of files of Python and of docstrings on their way into the site."""

import ast
import re

import jupytext
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

# Names of types as the source has them.
COLUMN = "~torch.Tensor | ~numpy.ndarray | ~evidence.batch.HasArray"
TYPES = {
    f"{COLUMN} | ~collections.abc.Sequence[{COLUMN}]": "Data",
    "~collections.abc.Callable[[...], object]": "Program",
    "dict[str, ~torch.Tensor]": "Latents",
}


def notebook(text: str) -> NotebookNode:
    """Returns a file of Python as a page: its `# %%` cells, or its docstring and then its code."""
    if re.search("^# %%", text, re.MULTILINE):
        found = jupytext.reads(text, "py:percent")
        for cell in found.cells:
            if cell.cell_type == "markdown":  # a page has one title
                cell.source = re.sub("^# ", "## ", cell.source, flags=re.MULTILINE)
        found.cells[0].source = f"# {found.cells[0].source.replace('.', '', 1)}"
    else:
        title, _, words = ast.get_docstring(ast.parse(text)).partition("\n")
        code = text.split('"""', 2)[2].strip()
        page = f"# {title.rstrip('.')}\n{words}\n\n```python\n{code}\n```"
        found = new_notebook(cells=[new_markdown_cell(page)])
    found.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    found.metadata["language_info"] = {"name": "python", "pygments_lexer": "python"}
    return found


def docstring(app: object, what: str, name: str, thing: object, options: object, lines: list[str]):
    """Makes reStructuredText of a docstring: formulas on lines of their own, and `(N, *shape)`."""
    text = "\n".join(lines)
    # A paragraph that ends, and an indented one that is no example.
    text = re.sub(r"^(\S.*)\n\n(?=    (?!>>>))", r"\1\n\n::\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=[( ])\*(?=\w)", r"\\*", text)
    lines[:] = text.split("\n")


def signature(app: object, what: str, name: str, thing: object, options: object, *texts):
    """Gives types in a signature the names that the source has for them."""
    found = []
    for text in texts:
        for long, short in TYPES.items():
            text = text and text.replace(long, short)
        found.append(text)
    return tuple(found)
