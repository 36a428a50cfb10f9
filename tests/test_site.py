"""The documentation site: all that is public is in it, links lead somewhere, it needs no network.

The tutorial does not run here; tests/examples/test_tutorial.py has it.
"""

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec

import pytest

import evidence
import evidence.training
from tests.conftest import ROOT

DIRECTIVE = r"^\.\. auto(?:function|class|exception|data):: (\S+)$"


@pytest.mark.parametrize("module", [evidence, evidence.training], ids=lambda m: m.__name__)
def test_the_reference_has_every_public_name_and_no_other(module):
    page = ROOT / f"docs/reference/{module.__name__.split('.')[-1]}.rst"
    found = re.findall(DIRECTIVE, page.read_text(), re.MULTILINE)
    assert sorted(found) == sorted(f"{module.__name__}.{name}" for name in module.__all__)


def test_every_page_and_example_has_a_place_in_the_contents():
    listed = (ROOT / "docs/contents.rst").read_text()
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.py")]
    missing = {f.name for f in pages if not re.search(rf"\b{f.stem}(>|$)", listed, re.MULTILINE)}
    assert missing == {"table.py"}, "docs/contents.rst says where the site has a page"


def build(source, target):
    """The recipe of `make docs`, except that nothing runs."""
    recipe = re.search(r"^docs:.*\n\t(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    words = shlex.split(recipe.replace("$(BIN)/python", sys.executable).replace("$(SITE)", target))
    return subprocess.run(
        [*words, "-D", "nb_execution_mode=off"], cwd=source, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if not all(map(find_spec, ("sphinx", "furo", "myst_nb", "jupytext"))):
        pytest.skip("requirements/docs.txt is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.verify
def test_every_public_name_has_a_place_with_its_words(site):
    for module in (evidence, evidence.training):
        page = (site / f"docs/reference/{module.__name__.split('.')[-1]}.html").read_text()
        for name in module.__all__:
            assert f'id="{module.__name__}.{name}"' in page
        assert page.count("Arguments") + page.count("Parameters") > 1


@pytest.mark.verify
def test_pages_load_nothing_from_the_network(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        tags = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", page.read_text())
        assert not [tag for tag in tags if re.search(r'(?:src|href)="(?:https?:)?//', tag)]
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\([\"']?(?:https?:)?//", style.read_text())


@pytest.mark.verify
@pytest.mark.parametrize("link", ["[a](nowhere.md)", "[a](evidence.md#nowhere)"])
def test_a_link_to_nowhere_fails_the_build(site, link, tmp_path):
    """What the fixture would miss if the checks were off."""
    for folder in ("docs", "examples", "evidence", "inference"):
        (tmp_path / folder).mkdir()
    (tmp_path / "docs/site").symlink_to(ROOT / "docs/site")
    (tmp_path / "docs/evidence.md").write_text("# Here\n")
    (tmp_path / "docs/contents.rst").write_text("Title\n=====\n\n.. toctree::\n   :glob:\n\n   *\n")
    (tmp_path / "docs/a.md").write_text("# Page\n\nSound.\n")
    assert build(tmp_path, str(tmp_path / "out")).returncode == 0
    (tmp_path / "docs/a.md").write_text(f"# Page\n\n{link}\n")
    done = build(tmp_path, str(tmp_path / "out"))
    assert done.returncode != 0 and "nowhere" in done.stderr
