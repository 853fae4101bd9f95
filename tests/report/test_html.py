"""One web page: everything inside, everything escaped, the same bytes; and in a real browser, wide and narrow."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from sim.report.html import Code, Fold, Page, Pictures, Table, Text, escaped, page, panels, svg
from sim.report.standard import standard_figure
from tests.report.browser import measured, needs_browser, visit

EVIL = "<script>alert('x')</script><img src=http://evil.invalid/a.png onerror=alert(1)>\"'&"
FORMULA = '=HYPERLINK("http://evil.invalid";"click")'
PATH = "../../etc/passwd"
INVISIBLE = "abc\u202edcb\x00\x1b[31m"
VOID = {"meta", "link", "br", "img", "input", "hr", "path", "use", "rect", "image", "line", "circle"}


class Reader(HTMLParser):
    """Tags, their attributes and the text between them; complains about tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def self_contained(text: str) -> None:
    """No script, no handler, nothing fetched from anywhere but the file itself."""
    for tag, attributes in read(text).tags:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href", "xlink:href", "action", "data", "poster", "srcset", "background"}:
                assert (value or "").startswith(("#", "data:")), (tag, name, value)
    assert not re.search(r"@import|url\((?!#)", text)


def figure(draws: int = 400, steps: int = 5) -> Figure:
    losses = np.random.default_rng(1).lognormal(8.0, 0.5, (draws, 1)) * np.linspace(0.3, 1.0, steps)
    defaults = np.floor(losses / 2e3)
    info = {"system_loss": ("EUR million", "Equity lost"), "defaults": ("1", "Banks in default")}
    return standard_figure({"system_loss": losses, "defaults": defaults}, info, "A title", "400 draws")


@cache
def drawings() -> tuple[list[tuple[str, str]], str]:
    return panels(figure(), "standard"), svg(figure(), "whole", "label")


def sample(names: str = "Bank") -> str:
    pieces, whole = drawings()
    drawn = [(text, "", f"caption {title}") for text, title in pieces]
    return page(
        Page(
            title=f"Losses of {names}",
            subtitle=names,
            alerts=[f"3 draws failed: {names}"],
            tiles=[("System loss, mean", "274", "EUR bn"), (names, "1", "")],
            sections={
                "Results": [Table(["Metric", "Unit", "Mean"], [[f"{names}\nwhat it is", "1", "2\n± 1"]] * 3, 2, True)],
                "Figures": [Pictures(drawn), Pictures([(whole, names, names)], wide=True)],
                names: [Text([names]), Fold(names, [Code(names)]), Table(["What", "Value"], [[names, names]], left=2)],
            },
            footer=names,
        )
    )


@pytest.mark.parametrize("name", ["Bank", EVIL, FORMULA, PATH, INVISIBLE, "中国工商银行", "بنك الاستثمار", "B" * 400])
def test_page_is_self_contained_and_shows_names_as_text(name: str) -> None:
    text = sample(name)
    self_contained(text)
    shown = "".join(read(text).text)
    seen = name.replace("\u202e", "\\u202e").replace("\x00", "\\x00").replace("\x1b", "\\x1b")
    assert shown.count(seen) >= 8  # title (twice), alert, tile, section, text, code, table


def test_the_check_of_self_containment_sees_what_it_should() -> None:
    for bad in (
        "<img src='http://x.invalid/a.png'>",
        "<script>1</script>",
        "<p onclick='x()'>a</p>",
        "<style>p{background:url(http://x.invalid)}</style>",
    ):
        with pytest.raises(AssertionError):
            self_contained(bad)


def test_policy_forbids_what_is_not_inside() -> None:
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"" in sample()


def test_same_page_same_bytes() -> None:
    first = sample()
    drawings.cache_clear()
    assert sample() == first


def test_the_label_of_a_figure_is_text() -> None:
    text = svg(figure(20, 1), "a", EVIL)
    assert f'aria-label="{escaped(EVIL)}"' in text
    self_contained(text)


def test_figures_on_one_page_share_no_names() -> None:
    names = [attributes["id"] for _, attributes in read(sample()).tags if "id" in attributes]
    assert len(names) == len(set(names))
    used = re.findall(r'(?:xlink:href="|url\()#([^")]+)', sample())
    assert used
    assert set(used) <= set(names)


def test_panels_leave_the_figure_as_it_was() -> None:
    drawn = figure()
    first = panels(drawn, "a")
    assert [title for _, title in first] == ["Distribution of losses", "Number of defaults", "Over time"]
    assert first == panels(drawn, "a")
    assert all(each.get_visible() for each in (*drawn.axes, *drawn.texts))
    assert all('role="img" aria-label="' in text and "<metadata" not in text for text, _ in first)


def test_a_panel_is_a_third_of_its_figure() -> None:
    # the standard figure is 12 inches wide: each panel about 3.2, with its labels below 4.2 (302 points)
    for text, _ in panels(figure(), "a"):
        wide = float(re.search(r'viewBox="0 0 (\S+)', text)[1])  # type: ignore[index]
        assert 200.0 < wide < 302.0


def test_escaped_keeps_lines_and_letters() -> None:
    assert escaped("a\n\tb é 中") == "a\n\tb é 中"
    assert escaped("<&>\"'") == "&lt;&amp;&gt;&quot;&#x27;"


def test_empty_page_is_a_page() -> None:
    text = page(Page("", "", [], [], {}))
    self_contained(text)
    assert text.startswith("<!DOCTYPE html>")


@needs_browser
def test_browser_asks_for_nothing_and_complains_about_nothing(tmp_path: Path) -> None:
    seen = visit(sample(EVIL), tmp_path / "page")
    assert seen.requests == []
    assert seen.console == []
    assert seen.dom.count("<figure") == 4
    # the same eyes see a page that does ask and complain
    bad = "<!DOCTYPE html><img src='http://evil.invalid/a.png'><script>console.error('bad')</script>"
    control = visit(bad, tmp_path / "control")
    assert control.requests == ["http://evil.invalid/a.png"]
    assert len(control.console) == 1


@needs_browser
@pytest.mark.parametrize("width", [400, 1400])
def test_page_fits_its_width(tmp_path: Path, width: int) -> None:
    long = "A bank with quite a long name, and/a_very_long_identifier_without_any_space_in_it" * 2
    found = measured(sample(long), width, tmp_path)
    assert found["width"] <= width  # no sideways scrolling of the page as a whole
    assert found["figures"] == 4
    assert found["narrowest"] >= 300.0
    assert found["type"] >= 12.0
