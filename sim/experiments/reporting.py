"""A result as one web page and as a notebook card: plain facts for `sim.report`, complete runs and interrupted ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sim.errors import SimError
from sim.experiments.again import again
from sim.experiments.card import SPLIT, Row, networks_rows, rows_of, scaled, told_number
from sim.experiments.page_parts import VERSIONS, file_of, footer, imputed, quoted, words, written
from sim.experiments.plots import KINDS, plot
from sim.experiments.result import Result
from sim.experiments.sweep_folder import holds_sweep
from sim.experiments.unfinished import Found
from sim.report.html import Block, Code, Fold, Page, Pictures, Table, Text, page, panels, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXTRA = ("waterfall", "cascade", "impact")
"""Figures shown below those of the standard one, where the result has what they need."""

REPLAYED = ("cascade",)
"""Those that play one draw again."""

MOST_ROWS = 40
"""Rows of a table of faults before the rest is counted."""

PANELS = {
    "Distribution of losses": "Value-at-risk (VaR) and expected shortfall (ES) with their 95 % confidence intervals; "
    "darker bars: draws beyond VaR.",
    "Number of defaults": "The dotted line is the mean.",
    "Over time": "The median over draws at each step, and the bands that hold 50, 90 and 98 % of them.",
    "First round and total": "How probable a larger loss is; shaded: what contagion adds to the first round.",
}
"""Captions by the title of a panel."""


@dataclass(frozen=True)
class Gap:
    """What an interrupted run lacks.

    Parameters
    ----------
    found, draws : int
        Draws that are kept, draws that were asked for.
    """

    found: int
    draws: int

    @property
    def told(self) -> str:
        """One sentence."""
        missing = self.draws - self.found
        return (
            f"This run is not finished: {missing:,} of {self.draws:,} draws ({missing / self.draws:.0%}) are missing. "
            f"All numbers below are of the {self.found:,} draws there are."
        )


def report(result: Result, path: str | Path) -> Path:
    """Write a result as one HTML file that needs no other file and makes no request.

    Parameters
    ----------
    result : Result
        Complete.
    path : str or Path
        Ends in ``.html`` or ``.htm``; a file of that name is replaced.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    InputError
        If the ending is another one.
    StoreError
        If the file cannot be written.
    """
    return written(path, lambda: text_of(result))


def report_folder(folder: str | Path, path: str | Path) -> Path:
    """Write a result folder as one HTML file; of what was interrupted what there is, and how much is missing.

    Parameters
    ----------
    folder : str or Path
        Of a run or a sweep; nothing in it is changed.
    path : str or Path
        Ends in ``.html`` or ``.htm``; a file of that name is replaced.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    StoreError
        If there is no result, it is damaged, or the file cannot be written.
    """
    from sim.experiments.opening import open_result
    from sim.experiments.unfinished import found

    place = Path(folder)
    if holds_sweep(place):
        from sim.experiments.sweep_reopen import found_sweep
        from sim.experiments.sweep_reporting import text_of as text_of_sweep

        return written(path, lambda: text_of_sweep(found_sweep(place)))
    there = found(place)
    return written(path, lambda: text_of(open_result(place)) if there is None else text_of(there.result, there))


def text_of(result: Result, there: Found | None = None) -> str:
    """Return the report of a result.

    Parameters
    ----------
    result : Result
        What there is.
    there : Found, optional
        What an interrupted run has kept.

    Returns
    -------
    str
        HTML; the same bytes for the same result.
    """
    facts = result.manifest
    gap = None if there is None else Gap(result.draws, there.draws)
    warnings = (str(each).replace("see failed_draws", 'see "What failed" below') for each in result.warnings)
    alerts = [*([gap.told] if gap else []), *warnings]
    summary = rows_of(result)
    figures, absent = _figures(result, there)
    sections: dict[str, list[Block]] = {
        "Results": [_summary(summary, result.info), *_split(summary), Text(result.notes, quiet=True)],
        "Figures": [*figures, *([Fold("Figures that are not shown", [Text(absent)])] if absent else [])],
        "What is imputed": imputed(result.imputed),
        "What failed": _failed(result, there),
        "How to repeat it": _commands(result, there),
        "Where the numbers come from": [_provenance(result)],
    }
    if result.scenario_yaml:
        sections["Where the numbers come from"].append(
            Fold("The scenario, complete with all defaults", [Code(result.scenario_yaml.rstrip())])
        )
    told = [result.name, facts["mode"], f"{result.draws:,} draws", f"seed {result.seed}"]
    tiles, last = _tiles(result, summary), footer(facts[VERSIONS])
    return page(Page(result.title or result.name, ", ".join(told), alerts, tiles, sections, last))


def _tiles(result: Result, summary: Mapping[str, Row]) -> list[tuple[str, str, str]]:
    """The numbers a reader looks for first."""
    tiles = []
    for name in (each for each in ("system_loss", "contagion_loss") if each in summary):
        row = summary[name]
        tiles.append((f"{words(name)}, mean", *_money(row["mean"], row)))
        if name == "system_loss":
            tiles.append((f"{words(name)}, VaR 99 %", *_money(row["VaR99"], row)))
            tiles.append((f"{words(name)}, ES 99 %", *_money(row["ES99"], row)))
    if "defaults" in summary:
        tiles.append(("Defaults, mean", told_number(summary["defaults"]["mean"]), result.info["defaults"][1].lower()))
    good = result.draws - int(result.manifest["failed"])
    tiles.append(("Draws", f"{good:,}", f"{result.draws - good:,} failed" if good < result.draws else "none failed"))
    return tiles


def _money(value: float, row: Row) -> tuple[str, str]:
    """A value and its unit, in a size that can be read."""
    shown = scaled(row)
    return told_number(value * shown[0]), shown[1]


def _summary(summary: Mapping[str, Row], info: Mapping[str, tuple[str, str]]) -> Table:
    """The summary: what, in which unit, and how sure."""
    headings = ["Metric", "Unit", "Mean", "Median", "95 % quantile", "VaR 99 %", "ES 99 %"]
    rows = []
    for name, row in summary.items():
        factor, unit = scaled(row)
        rows.append(
            [
                f"{name}\n{info[name][1]}",
                (unit.replace(" ", "\u00a0") if len(unit) < 14 else unit) or "1",
                _with(row["mean"] * factor, f"± {told_number(row['se'] * factor)} s.e.", row["se"]),
                _ranged(row, "p50", factor),
                _ranged(row, "p95", factor),
                _ranged(row, "VaR99", factor),
                _ranged(row, "ES99", factor),
            ]
        )
    return Table(headings, rows, left=2, stacked=True)


def _split(summary: Mapping[str, Row]) -> list[Block]:
    """How much of the spread lies within a network and how much between networks, where there are several."""
    rows = networks_rows(summary)
    return [Table(list(SPLIT), rows, left=2)] if rows else []


def _with(value: float, below: str, known: float) -> str:
    return told_number(value) + (f"\n{below}" if known == known else "")  # noqa: PLR0124 - NaN


def _ranged(row: Row, name: str, factor: float) -> str:
    """A value, its 95 % interval below it where there is one."""
    low, high = (float(row.get(f"{name}_{end}", float("nan"))) for end in ("lo", "hi"))
    told = f"[{told_number(low * factor)}, {told_number(high * factor)}]"
    return _with(float(row[name]) * factor, told, low + high)


def _figures(result: Result, there: Found | None) -> tuple[list[Block], list[str]]:
    """The panels of the standard figure, then others that this result can show; why the rest is absent."""
    drawn = panels(result.plot(), "standard")
    blocks: list[Block] = [Pictures([(text, "", PANELS.get(title, "")) for text, title in drawn])]
    wide: list[tuple[str, str, str]] = []
    absent: list[str] = []
    # draws of an interrupted run may be counted anew: what plays one of them again would take another one
    is_whole = there is None or there.numbers == tuple(range(len(there.numbers)))
    absent += [] if is_whole else [f"{kind}: shows one draw; finish the run first" for kind in REPLAYED]
    for kind in (each for each in EXTRA if is_whole or each not in REPLAYED):
        try:
            figure: Figure = plot(result, kind)
        except SimError as error:
            absent.append(f"{kind}: {_placeless(str(error), result.folder)}")
            continue
        wide.append(_alone(figure, kind))
    return [*blocks, *([Pictures(wide, wide=True)] if wide else [])], absent


def _placeless(text: str, folder: Path | None) -> str:
    """A message without where the folder lies, which may name a user or a machine."""
    return text if folder is None else text.replace(str(folder), folder.name)


def _alone(figure: Figure, kind: str) -> tuple[str, str, str]:
    """A figure of one panel without its title, which the page has; what its other lines say becomes the caption."""
    said = KINDS[kind].partition(" (")[0]
    said = said[:1].upper() + said[1:]
    if len(figure.axes) != 1 or figure.legends:
        return svg(figure, kind, said), said, ""
    lines = [" ".join(each.get_text().split()).rstrip(".") for each in figure.texts[1:]]
    return panels(figure, kind)[0][0], said, ". ".join(filter(None, lines)) + "."


def _failed(result: Result, there: Found | None) -> list[Block]:
    bad = result.failed_draws
    if not len(bad):
        return [Text(["No draw failed, and every fixed point is certified to its tolerance."])]
    counts = [f"{status}: {n:,} of {result.draws:,} draws" for status, n in Counter(bad["status"]).items()]
    rows = []
    for row in bad.head(MOST_ROWS).to_dict("records"):
        draw = int(row["draw"]) if there is None else there.numbers[int(row["draw"])]
        rows.append([str(draw), str(row["status"]), str(row["reason"] or "–")])
    more = [f"and {len(bad) - MOST_ROWS:,} more"] if len(bad) > MOST_ROWS else []
    told = "Failed draws are left out of all numbers; draws that are not certified are counted."
    return [
        Text([f"{'; '.join(counts)}. {told}"]),
        Table(["Draw", "Status", "Reason"], rows, left=3, stacked=True),
        Text(more, quiet=True),
    ]


def _commands(result: Result, there: Found | None) -> list[Block]:
    """What gives the same numbers again, and what checks these."""
    place = result.folder if there is None else there.folder
    folder = None if place is None else quoted(place.resolve().name)
    blocks: list[Block] = []
    if there is not None and folder is not None:
        blocks += [Text(["Finish the run; what is there is not computed again:"]), Code(f"sim resume {folder}")]
    draws = result.draws if there is None else there.draws
    command = again(result, draws)
    told = f"Play it again with engine {result.manifest['engine']}"
    if command is None:
        file = file_of(result.name)
        told += f": keep the scenario below as {file} beside its tables, then"
        command = f"sim run {file} --draws {draws} --seed {result.seed} --out again"
    if result.answer_sha256:
        told += f". The answer_sha256 must be {result.answer_sha256}"
    blocks += [Text([f"{told}:"]), Code(command)]
    if folder is not None:
        first = 0 if there is None else there.numbers[0]
        lines = [*([f"sim verify {folder}"] if there is None else []), f"sim repro {folder} --draw {first}"]
        told = "Check the files behind this page, and play one draw again, bit for bit:"
        blocks += [Text([told]), Code("\n".join(lines))]
    return blocks


def _provenance(result: Result) -> Table:
    said = {key: value for key, value in result.manifest.items() if key in result.provenance and key != VERSIONS}
    if not said.get("answer_sha256"):
        said["answer_sha256"] = "none: the run is not finished"
    versions = (f"{name} {version}" for name, version in result.manifest[VERSIONS].items())
    return Table(
        ["What", "Value"],
        [*([key, str(value)] for key, value in said.items()), [VERSIONS, ", ".join(versions)]],
        left=2,
    )
