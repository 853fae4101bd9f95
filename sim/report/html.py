"""One web page that needs nothing else: text, tables and figures inside one file, no script, no request."""

from __future__ import annotations

import html
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may load for the page: nothing that is not inside it."""

CSS = """
:root{color-scheme:light dark;--ink:#1a1a1a;--quiet:#565d67;--rule:#d5d9df;--page:#fff;--soft:#f5f6f8;--mark:#b23a0a;
--warm:#fdf3ec;--blue:#1f4e79;--figure:none}
@media (prefers-color-scheme:dark){:root{--ink:#e6e7e9;--quiet:#a4abb5;--rule:#3a4048;--page:#141414;--soft:#1e2022;
--mark:#ff9d6c;--warm:#2a1f18;--blue:#8fb8e0;--figure:invert(.92) hue-rotate(180deg)}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
main{max-width:1240px;margin:0 auto;padding:28px clamp(14px,3vw,40px) 48px}
h1{font-size:clamp(1.35rem,3.4vw,1.9rem);line-height:1.25;margin:0 0 6px}
h2{font-size:1.15rem;margin:40px 0 10px;padding-top:12px;border-top:1px solid var(--rule)}
h3{font-size:1rem;margin:22px 0 6px}
p{margin:6px 0;max-width:78ch}
.sub,.note,figcaption{color:var(--quiet)}
.note,figcaption{font-size:.875rem}
.alert{background:var(--warm);border-left:4px solid var(--mark);padding:9px 14px;margin:14px 0;max-width:none}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:22px 0 6px;padding:0}
.tile{background:var(--soft);border-radius:6px;padding:11px 14px}
.tile dt{color:var(--quiet);font-size:.82rem;line-height:1.3}
.tile dd{margin:3px 0 0;font-size:1.3rem;font-weight:600;line-height:1.25;font-variant-numeric:tabular-nums}
.tile dd small{display:block;font-size:.78rem;font-weight:400;color:var(--quiet)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,310px),1fr));gap:26px 22px;margin:14px 0}
figure{margin:0;min-width:0}
figure.wide{margin:22px 0}
figure .canvas{overflow-x:auto}
figure h3{margin:0 0 8px}
figure svg{display:block;width:100%;height:auto;max-width:calc(1.5px*var(--w));filter:var(--figure)}
figure.wide svg{min-width:calc(1.15px*var(--w))}
figcaption{margin-top:6px;max-width:78ch}
.scroll{overflow-x:auto;margin:10px 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
table.full{width:100%}
caption{text-align:left;color:var(--quiet);font-size:.875rem;padding-bottom:4px}
th,td{text-align:left;vertical-align:top;padding:6px 14px 6px 0;border-bottom:1px solid var(--rule)}
th{color:var(--quiet);font-weight:600;overflow-wrap:normal}
tbody th{color:var(--ink)}
td small,th small{display:block;color:var(--quiet);font-weight:400;font-size:.8rem}
.n{text-align:right;white-space:nowrap}
td.n:last-child,th.n:last-child{padding-right:0}
pre{background:var(--soft);border-radius:6px;padding:11px 14px;overflow-x:auto;font:13px/1.5 ui-monospace,
"SFMono-Regular",Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre-wrap;margin:8px 0}
code{font:.92em ui-monospace,"SFMono-Regular",Menlo,Consolas,"DejaVu Sans Mono",monospace}
details{margin:12px 0}
summary{cursor:pointer;color:var(--blue)}
summary:focus-visible{outline:2px solid var(--blue)}
footer{margin-top:44px;padding-top:12px;border-top:1px solid var(--rule);color:var(--quiet);font-size:.82rem}
@media (max-width:700px){figure.wide h3::after{content:" (scrolls sideways)";font-weight:400;color:var(--quiet)}
table.stack thead{display:none}table.stack,table.stack tbody,table.stack tr,table.stack th,
table.stack td{display:block;width:auto}table.stack tr{border-bottom:1px solid var(--rule);padding:9px 0}
table.stack th,table.stack td{border:0;padding:2px 0}table.stack td{display:flex;justify-content:space-between;gap:14px;
text-align:right;white-space:normal}table.stack td::before{content:attr(data-head);color:var(--quiet);text-align:left;
font-weight:400;flex:none}}
@media print{:root{--ink:#000;--quiet:#444;--rule:#bbb;--page:#fff;--soft:#f4f4f4;--mark:#b23a0a;--warm:#fff;
--blue:#000;--figure:none}body{font-size:10pt}main{max-width:none;padding:0}h2{break-after:avoid}
figure,tr,.tile,pre{break-inside:avoid}figure.wide svg{min-width:0}.scroll,figure .canvas{overflow:visible}
details::details-content{content-visibility:visible;block-size:auto}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
"""Wide and narrow, light and dark, on paper; figures are turned dark with the page."""


@dataclass(frozen=True)
class Text:
    """Paragraphs.

    Parameters
    ----------
    lines : sequence of str
        One a paragraph.
    quiet : bool
        Whether they are notes.
    """

    lines: Sequence[str]
    quiet: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Parameters
    ----------
    headings : sequence of str
        One a column.
    rows : sequence of sequence of str
        Cells; a line break begins a small second line.
    left : int
        How many leading columns are text; the others are numbers.
    stacked : bool
        Whether a narrow page shows each row as a list instead of scrolling.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    stacked: bool = False


@dataclass(frozen=True)
class Code:
    """Lines to copy.

    Parameters
    ----------
    text : str
        As a terminal or a file has it.
    """

    text: str


@dataclass(frozen=True)
class Pictures:
    """Figures beside each other, as many as fit.

    Parameters
    ----------
    drawn : sequence of (str, str, str)
        SVG from `svg` or `panels`, a heading above it (may be empty), and its caption.
    wide : bool
        Whether each takes the whole width; a narrow page scrolls it.
    """

    drawn: Sequence[tuple[str, str, str]]
    wide: bool = False


@dataclass(frozen=True)
class Fold:
    """What only some readers want; shown when asked for, and on paper.

    Parameters
    ----------
    summary : str
        What it is.
    blocks : sequence
        What it holds.
    """

    summary: str
    blocks: Sequence[Text | Table | Code | Pictures]


Block = Text | Table | Code | Pictures | Fold


@dataclass(frozen=True)
class Page:
    """What a page says.

    Parameters
    ----------
    title, subtitle : str
        At its head.
    alerts : sequence of str
        What must not be overlooked.
    tiles : sequence of (str, str, str)
        Numbers to see first: what, value, and a line below it.
    sections : mapping of str to sequence of blocks
        By heading.
    footer : str
        The last line.
    """

    title: str
    subtitle: str
    alerts: Sequence[str]
    tiles: Sequence[tuple[str, str, str]]
    sections: Mapping[str, Sequence[Block]]
    footer: str = ""


def escaped(text: str) -> str:
    r"""Return text that a page shows as it is: markup, formulas and paths are text, what is invisible is ``\uXXXX``.

    Parameters
    ----------
    text : str
        Anything, also from a stranger's file.

    Returns
    -------
    str
        For between tags and inside quoted attributes; line breaks are kept.
    """
    seen = "".join(
        char if char in "\n\t" or unicodedata.category(char)[0] != "C" else char.encode("unicode_escape").decode()
        for char in text
    )
    return html.escape(seen)


def page(said: Page) -> str:
    """Return a page as the text of one HTML file.

    Parameters
    ----------
    said : Page
        Plain text throughout; escaped here. Figures come from `svg` and `panels`.

    Returns
    -------
    str
        The same bytes for the same page.
    """
    body = [f"<header><h1>{escaped(said.title)}</h1><p class=sub>{escaped(said.subtitle)}</p></header>"]
    body += [f'<p class=alert role="note">{escaped(text)}</p>' for text in said.alerts]
    if said.tiles:
        tiles = "".join(
            f'<div class="tile"><dt>{escaped(what)}</dt><dd>{escaped(value)}'
            + (f"<small>{escaped(below)}</small>" if below else "")
            + "</dd></div>"
            for what, value, below in said.tiles
        )
        body.append(f'<dl class="tiles">{tiles}</dl>')
    for heading, blocks in said.sections.items():
        body.append(f"<section><h2>{escaped(heading)}</h2>{''.join(map(_block, blocks))}</section>")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f'<link rel="icon" href="data:,">\n<title>{escaped(said.title)}</title>\n<style>{CSS}</style>\n</head>\n'
        "<body>\n<main>\n" + "\n".join(body) + f"\n<footer>{escaped(said.footer)}</footer>\n</main>\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Text():
            return "".join(f"<p{' class=note' if block.quiet else ''}>{escaped(line)}</p>" for line in block.lines)
        case Code():
            return f"<pre>{escaped(block.text)}</pre>"
        case Fold():
            return f"<details><summary>{escaped(block.summary)}</summary>{''.join(map(_block, block.blocks))}</details>"
        case Pictures():
            figures = "".join(
                f"<figure{' class=wide' if block.wide else ''}>{f'<h3>{escaped(head)}</h3>' if head else ''}"
                f'<div class="canvas">{drawn}</div><figcaption>{escaped(caption)}</figcaption></figure>'
                for drawn, head, caption in block.drawn
            )
            return figures if block.wide else f'<div class="figures">{figures}</div>'
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    kinds = ["" if at < table.left else ' class="n"' for at in range(len(table.headings))]
    head = "".join(
        f'<th scope="col"{kind}>{escaped(text)}</th>' for text, kind in zip(table.headings, kinds, strict=True)
    )
    rows = []
    for row in table.rows:
        cells = []
        for at, (text, kind) in enumerate(zip(row, kinds, strict=True)):
            first, _, second = text.partition("\n")
            # isolated, so that a name written from right to left cannot reorder its neighbours
            shown = f"<bdi>{escaped(first)}</bdi>" + (f"<small>{escaped(second)}</small>" if second else "")
            tag = f'th scope="row"{kind}' if at == 0 else f'td{kind} data-head="{escaped(table.headings[at])}"'
            cells.append(f"<{tag}>{'<div>' * bool(at)}{shown}{'</div>' * bool(at)}</{tag[:2]}>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    kind = ' class="full stack"' if table.stacked else ""
    inside = f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="scroll">{inside}</div>'


def panels(figure: Figure, name: str) -> list[tuple[str, str]]:
    """Return every panel of a figure as a picture of its own, so that a narrow page can put them below each other.

    Parameters
    ----------
    figure : Figure
        Any figure of this package; unchanged afterwards.
    name : str
        Unique on the page; letters, digits and hyphens.

    Returns
    -------
    list of (str, str)
        SVG, and the panel's title.
    """
    axes, texts = list(figure.axes), list(figure.texts)
    found = []
    try:
        for each in (*axes, *texts):
            each.set_visible(False)
        for k, ax in enumerate(axes):
            ax.set_visible(True)
            title = ax.get_title(loc="left").replace("\n", " ")
            found.append((svg(figure, f"{name}-{k}", title, crop=ax), title))
            ax.set_visible(False)
    finally:
        for each in (*axes, *texts):
            each.set_visible(True)
    return found


def svg(figure: Figure, name: str, label: str, *, crop: Axes | None = None) -> str:
    """Return a figure as an element of a page; the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
        Any figure of this package.
    name : str
        Unique on the page; letters, digits and hyphens.
    label : str
        What it shows, for readers who cannot see it.
    crop : Axes, optional
        Show this panel only.

    Returns
    -------
    str
        ``<svg ...>`` as wide as its place, without prolog and metadata.
    """
    buffer = io.StringIO()
    with style.language():
        box = None
        if crop is not None:
            figure.canvas.get_renderer() if hasattr(figure.canvas, "get_renderer") else figure.draw_without_rendering()
            tight = crop.get_tightbbox()
            box = tight.transformed(figure.dpi_scale_trans.inverted()).padded(0.04) if tight is not None else None
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches=box, transparent=False)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # figures on one page must not share names
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\1#{name}-", text)
    text = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1), count=1
    )
    wide = re.search(r'viewBox="\S+ \S+ (\S+)', text)
    size = f' style="--w:{float(wide[1]):.0f}"' if wide else ""
    return text.replace("<svg", f'<svg role="img" aria-label="{escaped(label)}"{size}', 1).strip()
