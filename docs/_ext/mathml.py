"""Equations as MathML, written at build: every current browser draws it without script, font or network."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number

REPLACED = {r"\tfrac": r"\frac", r"\dfrac": r"\frac", r"\lVert": r"\|", r"\rVert": r"\|"}
LABEL = re.compile(r"\\label\{[^}]*\}")


def mathml(latex: str, display: str) -> str:
    """Return a formula as MathML.

    Parameters
    ----------
    latex : str
        As written in a docstring.
    display : {"inline", "block"}
        Within a line or on its own.

    Returns
    -------
    str
        The source stands beside it for readers that want it.
    """
    text = LABEL.sub("", latex)
    for old, new in REPLACED.items():
        text = text.replace(old, new)
    if display == "block" and (r"\\" in text or "&" in text) and r"\begin" not in text:
        text = rf"\begin{{aligned}}{text}\end{{aligned}}"
    return convert(text, display=display)


def inline(writer: Any, node: nodes.Element) -> None:
    """Write a formula within a line."""
    writer.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block(writer: Any, node: nodes.Element) -> None:
    """Write a formula on its own."""
    writer.body.append(writer.starttag(node, "div", CLASS="math-block"))
    if node["number"]:
        number = get_node_equation_number(writer, node)
        writer.body.append(f'<span class="equation-number">({number})</span>')
    # formulae separated by an empty line stand below each other
    for part in re.split(r"\n\s*\n", node.astext().strip()):
        writer.body.append(mathml(part, "block"))
    writer.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
