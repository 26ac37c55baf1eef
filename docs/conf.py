"""Sphinx. The source that is built is put together by `python -m fedsparse course site`."""

import importlib.metadata

from docutils import nodes
from latex2mathml.converter import convert

project = "fedsparse"
author = "The fedsparse developers"
copyright = f"{author}. Text and figures: CC BY 4.0; code: Apache-2.0"  # no year: a build is the same in every one
release = importlib.metadata.version("fedsparse")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # outputs are those that are committed
nb_ipywidgets_js = {}  # these would come from elsewhere; a site has no kernel to move a slider for
html_math_renderer = "mathml"
html_theme = "furo"
html_title = "fedsparse"
html_static_path = ["static"]
html_css_files = ["fedsparse.css"]
html_copy_source = False
html_show_sphinx = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False  # those of torch refer to labels of its own site
default_role = "code"
suppress_warnings = ["ref.python"]  # n is the name of two attributes
exclude_patterns = ["build"]


def _formula(self, node: nodes.Element, display: str) -> None:
    self.body.append(convert(node.astext(), display=display))
    raise nodes.SkipNode


def _inline(self, node: nodes.math) -> None:
    _formula(self, node, "inline")


def _block(self, node: nodes.math_block) -> None:
    self.body.append('<div class="math wide" tabindex="0">')
    self.body.append(convert(node.astext(), display="block"))
    self.body.append("</div>")
    raise nodes.SkipNode


def _bars(app, what, name, thing, options, lines: list[str]) -> None:
    lines[:] = [line.replace("|", r"\|") for line in lines]  # an absolute value is no substitution


def setup(app) -> None:
    """Formulas as MathML, which browsers draw and read aloud themselves, without a script."""
    app.connect("autodoc-process-docstring", _bars)
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
