"""A sweep as one web page: what it was, what came out at every point and how sure that is, how to repeat it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.experiments.again import again_sweep
from sim.experiments.card import told_number
from sim.experiments.page_parts import VERSIONS, file_of, footer, imputed, quoted, words, written
from sim.experiments.provenance import read_manifest
from sim.experiments.sweep_plots import plot
from sim.experiments.sweep_tables import MOST_ROWS, at, cut, design, results
from sim.experiments.swept import DONE, FAILED, MISSING, Sweep
from sim.report.html import Block, Code, Fold, Page, Pictures, Table, Text, page, panels
from sim.report.text import amount

MAIN = "system_loss"
"""The metric that a reader looks for first."""

SHOWN = {"mean": "mean", "p95": "95 % quantile", "ES99": "ES 99 %"}
"""Statistics of it that are drawn."""

MOST_PANELS = 24
"""Panels before the rest is left out."""

KEPT = ("sweep_key", "scenario_sha256", "engine", "player", "sample", "seed", "draws", "record", "answer_sha256")


def report(sweep: Sweep, path: str | Path) -> Path:
    """Write a sweep as one HTML file that needs no other file and makes no request.

    Parameters
    ----------
    sweep : Sweep
        Finished, or what there is of it.
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
        If the file cannot be written, or a run is damaged.
    """
    return written(path, lambda: text_of(sweep))


def text_of(sweep: Sweep) -> str:
    """Return the report of a sweep.

    Parameters
    ----------
    sweep : Sweep
        Finished, or what there is of it.

    Returns
    -------
    str
        HTML; the same bytes for the same sweep.
    """
    facts, manifests = sweep.facts, list(_manifests(sweep))
    versions = manifests[0][VERSIONS] if manifests else {}
    main = MAIN if MAIN in sweep.info else next(iter(sweep.info), "")
    sections: dict[str, list[Block]] = {"What was swept": design(sweep)}
    sections["Figures"] = _figures(sweep, main)
    sections["Results run by run"] = results(sweep, main)
    sections["What is imputed"] = imputed(_once(manifests, "imputed"))
    sections["What failed"] = _failed(sweep)
    sections["How to repeat it"] = _commands(sweep)
    said = [[key, str(facts[key])] for key in KEPT if facts[key] is not None]
    said.append([VERSIONS, ", ".join(f"{name} {version}" for name, version in versions.items())])
    runs = [[f"run {k}", row["folder"] or "–", row["answer_sha256"] or "–"] for k, row in enumerate(facts["rows"])]
    sections["Where the numbers come from"] = [
        Table(["What", "Value"], said, left=2),
        Fold("The runs and their answers", [cut(["Run", "Folder", "answer_sha256"], runs, left=3)]),
    ]
    if sweep.scenario_yaml:
        code = Code(sweep.scenario_yaml.rstrip())
        sections["Where the numbers come from"].append(Fold("The scenario, complete with all defaults", [code]))
    subtitle = f"{sweep.name}: {sweep.told}"
    return page(
        Page(str(facts["title"]), subtitle, _alerts(sweep, manifests), _tiles(sweep, main), sections, footer(versions))
    )


def _manifests(sweep: Sweep) -> Iterator[Mapping[str, Any]]:
    """What the runs say of themselves, those that gave something."""
    for place in dict.fromkeys(row["folder"] for row in sweep.facts["rows"] if row["answer_sha256"] is not None):
        if place in sweep.held:
            yield sweep.held[place].manifest
        elif sweep.folder is not None:
            yield read_manifest(sweep.folder / place)


def _once(manifests: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """Entries of the runs, each once: most are the same in all of them."""
    return list({repr(each): each for manifest in manifests for each in manifest[name]}.values())


def _alerts(sweep: Sweep, manifests: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must not be overlooked."""
    rows, counts = sweep.facts["rows"], Counter(row["status"] for row in sweep.facts["rows"])
    told = []
    if missing := counts[MISSING]:
        told.append(
            f"This sweep is not finished: {missing:,} of {len(rows):,} runs ({missing / len(rows):.0%}) are missing. "
            f"All numbers below are of the {counts[DONE]:,} runs there are."
        )
    for status, count in counts.items():
        if status not in (DONE, MISSING):
            told.append(f'{count:,} of {len(rows):,} runs {_status(status)}; see "What failed" below.')
    if lost := sum(row["failed"] for row in rows if row["status"] == DONE):
        draws = sum(row["draws"] for row in rows if row["status"] == DONE)
        told.append(f'{lost:,} of {draws:,} draws failed and are left out; see "What failed" below.')
    warnings = (str(each["message"]) for each in _once(manifests, "warnings"))
    return [*told, *dict.fromkeys(warnings)]


def _status(status: str) -> str:
    return "gave no result" if status == FAILED else "are not certified and left out"


def _tiles(sweep: Sweep, main: str) -> list[tuple[str, str, str]]:
    """The numbers a reader looks for first."""
    rows = sweep.facts["rows"]
    done = sum(row["status"] == DONE for row in rows)
    tiles = []
    records = sweep.summary(main).to_dict("records") if main else []
    means = {k: float(row["mean"]) for k, row in enumerate(records) if row["mean"] == row["mean"]}
    if means:
        unit = sweep.info[main][0]
        for what, run in (
            ("lowest", min(means, key=means.__getitem__)),
            ("highest", max(means, key=means.__getitem__)),
        ):
            value = told_number(means[run]) if unit == "1" else amount(means[run], unit)
            tiles.append((f"{words(main)}, mean, {what}", value, f"run {run}: {at(sweep, run)}"))
    left = len(rows) - done
    tiles.append(("Runs", f"{done:,}", f"{left:,} without a result" if left else "all gave a result"))
    draws = sum(row["draws"] - row["failed"] for row in rows if row["status"] == DONE)
    tiles.append(("Draws in all", f"{draws:,}", "the same luck in every run"))
    return tiles


def _figures(sweep: Sweep, main: str) -> list[Block]:
    """The first metric in several statistics, the others by their mean; each panel stands alone."""
    chosen = [(main, statistic) for statistic in SHOWN] + [(name, "mean") for name in sweep.info if name != main]
    drawn: list[tuple[str, str, str]] = []
    absent = []
    for number, (name, statistic) in enumerate(chosen if main else []):
        told = f"{words(name)}: {SHOWN[statistic]}"
        table = sweep.summary(name)
        if not table[statistic].notna().any():
            absent.append(f"{told}: the draws are too few")
        elif statistic != "mean" and table[statistic].equals(table["mean"]):
            absent.append(f"{told}: the mean everywhere")
        elif len(drawn) >= MOST_PANELS:
            absent.append(f"{told}: there are {MOST_PANELS} panels already; sim plot draws it")
        else:
            cut_out = panels(plot(sweep, name, statistic, heads=False), f"figure-{number}")
            drawn += [(text, told, _caption(sweep, name)) for text, _ in cut_out]
    blocks: list[Block] = [Pictures(drawn[:MOST_PANELS])] if drawn else []
    return [*blocks, *([Fold("Figures that are not shown", [Text(absent)])] if absent else [])] or [
        Text(["There is nothing to draw."])
    ]


def _caption(sweep: Sweep, name: str) -> str:
    told = sweep.info[name][1] or words(name)
    if len(sweep.keys) == 2:
        return f"{told}. Darker is larger; crossed out: nothing came out of the run."
    return f"{told}. Bands and whiskers are 95 % confidence intervals."


def _failed(sweep: Sweep) -> list[Block]:
    bad = sweep.failed_points
    if not len(bad):
        return [Text(["No run and no draw failed, and every fixed point is certified to its tolerance."])]
    rows = []
    for run, row in bad.iterrows():
        draws = "–" if row["status"] == MISSING else f"{row['failed']:,} of {row['draws']:,} draws failed"
        reason = str(row["reason"] or draws)
        rows.append([f"run {run}", at(sweep, int(str(run))), str(row["status"]), reason])
    more = [f"and {len(rows) - MOST_ROWS:,} more"] if len(rows) > MOST_ROWS else []
    told = "Runs without a result are left out of all tables and figures, failed draws of all numbers."
    return [Text([told]), cut(["Run", "Where", "Status", "Reason"], rows, left=4), Text(more, quiet=True)]


def _commands(sweep: Sweep) -> list[Block]:
    """What gives the same numbers again, and what checks these."""
    facts, folder = sweep.facts, None if sweep.folder is None else quoted(sweep.folder.resolve().name)
    is_missing = any(row["status"] == MISSING for row in facts["rows"])
    blocks: list[Block] = []
    if folder is not None and is_missing:
        blocks += [Text(["Finish the sweep; what is there is not computed again:"]), Code(f"sim resume {folder}")]
    command, is_shipped = again_sweep(sweep, file_of(sweep.name))
    told = f"Play it again with engine {facts['engine']}"
    if facts["player"]:
        told += f"; it was played by {facts['player']}, which sim.sweep takes as player= or model="
    if not is_shipped:
        told += f": keep the scenario below as {file_of(sweep.name)} beside its tables, then"
    if facts["answer_sha256"]:
        told += f". The answer_sha256 must be {facts['answer_sha256']}"
    blocks += [Text([f"{told}:"]), Code(command)]
    if folder is not None and not is_missing:
        first = next((row["folder"] for row in facts["rows"] if row["status"] == DONE), None)
        lines = [f"sim verify {folder}", *([f"sim repro {folder}/{first} --draw 0"] if first else [])]
        told = "Check the files behind this page, and play one draw of one run again, bit for bit:"
        blocks += [Text([told]), Code("\n".join(lines))]
    return blocks
