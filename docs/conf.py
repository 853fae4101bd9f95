"""Configuration of the documentation; build it with ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

import sim

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "contagion-sim"
author = "The contagion-sim developers"
project_copyright = author
version = release = sim.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "generated"]
exclude_patterns = ["_build", "_ext", "*.py", "**.ipynb_checkpoints"]
default_role = "code"
nitpicky = False
suppress_warnings = ["config.cache"]

# pages in Markdown, notebooks executed at build
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "remove"
nb_mime_priority_overrides = [("html", "text/html", 0), ("html", "image/svg+xml", 10), ("html", "image/png", 20)]

# the reference
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

# nothing on a page may come from elsewhere: equations are MathML, fonts are those of the reader's system
html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"contagion-sim {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
