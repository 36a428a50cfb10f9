"""The documentation site, built by `make docs`: Markdown pages, and the docstrings of `evidence`.

The source folder is the repository itself, so that links are those that a reader of the repository
follows. Nothing of the site comes from the network.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build"
sys.path[:0] = [str(ROOT), str(HERE)]

import pages  # noqa: E402

project = html_title = "pyro-evidence"
root_doc = "docs/contents"
# A file of Python that a page links to is a page, too.
include_patterns = ["README.md", "docs/**", "evidence/*.md", "examples/**", "inference/loop.py"]
exclude_patterns = ["docs/site", "examples/other_libraries/table.py"]
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_nb"]
# A block of code may leave lines out (…).
suppress_warnings = ["misc.highlighting_failure"]
myst_heading_anchors = 4

html_theme = "furo"
html_copy_source = html_show_copyright = False
html_static_path = html_css_files = ["site.css"]
html_extra_path = ["index.html"]

# In docstrings, as in Markdown, `this` is a name where one is known, and code where none is.
default_role = "py:obj"
autodoc_typehints_format = "short"
napoleon_use_rtype = False

# The tutorial runs when its text has changed, and the site shows what it prints and draws.
nb_custom_formats = {".py": "pages.notebook"}
nb_execution_mode = "cache"
nb_execution_cache_path = str(BUILD / "executed")
nb_execution_raise_on_error = nb_merge_streams = True
nb_execution_timeout = 600
nb_output_stderr = "remove"
# Its networks gain nothing from a second thread, which waits for the first where others compute.
os.environ |= {
    "PYTHONPATH": str(ROOT),
    "TUTORIAL_RUNS": "../build/tutorial",
    "OMP_NUM_THREADS": "1",
}


def setup(app) -> None:
    """Registers what docstrings and signatures go through, before napoleon."""
    app.connect("autodoc-process-docstring", pages.docstring, priority=100)
    app.connect("autodoc-process-signature", pages.signature)
