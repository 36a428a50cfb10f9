"""What is public and does not explain itself has a docstring, and every docstring is a sentence."""

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

PACKAGES = (
    *("configs", "data", "evaluation", "evidence", "experiment", "guides", "inference", "models"),
    *("networks", "parallel", "report", "benchmarks", "examples"),
)
FILES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
FILES += [ROOT / f"{script}.py" for script in ("train", "evaluate", "compare", "errors")]
# Functions of more lines than this explain themselves no longer by their name.
SHORT = 8
# A docstring that begins so has no subject.
SUBJECTLESS = ("Of", "That", "In", "By", "Those", "None", "Whose", "When", "As", "For")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(tree: ast.AST, inside: bool = False) -> Iterator[tuple[Definition, bool]]:
    """Yields functions and classes, and whether each is a method, not those inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Definition):
            yield node, inside
            if isinstance(node, ast.ClassDef):
                yield from definitions(node, True)


def silent(file) -> list[str]:
    """The public classes and functions without a docstring; methods may override explained ones."""
    return [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for node, is_method in definitions(ast.parse(file.read_text()))
        if not is_method and not node.name.startswith("_") and not ast.get_docstring(node)
        if isinstance(node, ast.ClassDef) or node.end_lineno - node.lineno > SHORT
    ]


def fragments(source: str) -> list[str]:
    """The docstrings that are no sentence: without a subject, without an end, or of two words."""
    found = [ast.get_docstring(node) for node, _ in definitions(ast.parse(source))]
    starts = [text.split("\n\n")[0] for text in found if text]
    return [
        text
        for text in starts
        if text.split()[0] in SUBJECTLESS or text[-1] not in ".:?" or len(text.split()) < 2
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_is_public_is_explained_in_sentences(file):
    assert ast.get_docstring(ast.parse(file.read_text())) or not file.read_text().strip()
    assert not silent(file)
    assert not fragments(file.read_text())


@pytest.mark.parametrize("text", ["Of one cell.", "Those that were measured.", "The gap", "Cells."])
def test_a_fragment_is_noticed(text):
    assert fragments(f'def f():\n    """{text}"""\n') == [text]
