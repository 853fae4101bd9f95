"""``sim compare``: differences between runs or scenarios, draw by draw, with intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.complete import among, comparable
from sim.cli.control import AllowUncertified, Block, Quiet, Shown, Workers, interruptible, progress_asked
from sim.cli.errors import emit, note
from sim.cli.options import AllowPath, AsJson, Debug, chosen, whole
from sim.cli.progress import progress as bar
from sim.cli.table import columns_of_text, number
from sim.errors import UsageError

if TYPE_CHECKING:
    from sim.analysis.compare import Comparison

STATISTICS = ("mean", "p50", "p95", "VaR99", "ES99")


def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DIR DIR ...",
            help="Result folders or scenarios; the first is the base.",
            autocompletion=comparable,
        ),
    ] = None,
    *,
    statistic: Annotated[
        str,
        typer.Option(metavar="NAME", help="mean, p50, p95, VaR99 or ES99.", autocompletion=among(lambda: STATISTICS)),
    ] = "mean",
    draws: Annotated[str | None, typer.Option(metavar="N", help="Draws of scenarios.")] = None,
    seed: Annotated[str | None, typer.Option(metavar="S", help="Seed of scenarios, one for all.")] = None,
    figure: Annotated[str | None, typer.Option(metavar="FILE", help="Write the figure: .png, .svg or .pdf.")] = None,
    workers: Workers = None,
    block: Block = None,
    progress: Shown = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    allow_path: AllowPath = False,
    allow_uncertified: AllowUncertified = False,
    _debug: Debug = False,
) -> int:
    """Compare runs, or scenarios that are played here, with the first of them.

    Runs with one seed share their luck, draw by draw; the intervals are those of the differences.

    Parameters
    ----------
    runs : list of str
        Result folders, scenario files or names of shipped ones.
    statistic, draws, seed, figure, workers, block, progress : str, optional
        As typed.
    as_json, quiet, allow_path, allow_uncertified, _debug : bool
        Switches.

    Returns
    -------
    int
        0.

    Raises
    ------
    UsageError
        If fewer than two runs are named, or an option is wrong.
    """
    if not runs or len(runs) < 2:
        raise UsageError("compare needs two result folders or scenarios, such as: sim compare results/a results/b")
    what, how = chosen("statistic", statistic, STATISTICS), progress_asked(progress, quiet)
    number_of, luck = whole("--draws", draws, 1, 2**40 - 1), whole("--seed", seed, 0, 2**128 - 1)
    crew, width = whole("--workers", workers, 1), whole("--block", block, 2, 256)
    from sim.analysis.compare import compare as play

    with interruptible(Path(), "the same command"), bar(how) as tell:
        found = play(
            _named(runs, allow_path=allow_path),
            draws=number_of,
            seed=luck,
            workers=crew,
            block=width,
            progress=tell,
            allow_uncertified=allow_uncertified,
        )
    _show(found, what, as_json=as_json)
    if figure is not None:
        from sim.report.style import save

        note(f"figure: {save(found.plot(what), figure)}")
    if how != "none":
        for told in found.notes:
            note(told)
        note(found.told)
    return 0


def _named(runs: list[str], *, allow_path: bool) -> dict[str, Any]:
    """Names for runs: what they are called, numbered where two are called the same."""
    from sim.experiments.opening import open_result
    from sim.scenario.load import load

    found: dict[str, Any] = {}
    for text in runs:
        path = Path(text)
        is_result = (path / "manifest.json").is_file()
        name = (path.resolve().name if is_result else path.stem) or text
        name = name if name not in found else f"{name} ({sum(each.startswith(name) for each in found) + 1})"
        found[name] = open_result(path) if is_result else load(text, allow_path=allow_path)
    return found


def _show(found: Comparison, statistic: str, *, as_json: bool) -> None:
    table = found.summary(statistic)
    if as_json:
        rows = [
            {str(name): _plain(value) for name, value in row.items()} for row in found.summary(None).to_dict("records")
        ]
        said = {"base": found.base, "paired": found.paired, "confidence": found.confidence, "differences": rows}
        answers = {name: result.answer_sha256 for name, result in found.results.items()}
        emit(json.dumps(said | {"answers": answers, "notes": list(found.notes)}, indent=2, allow_nan=False))
        return
    headings = ["run", "metric", "unit", found.base, "other", "difference", "+- s.e.", "[95 % interval]"]
    cells = []
    for row in table.to_dict("records"):
        ends = [number(float(row[name])) for name in ("low", "high")]
        numbers = [number(float(row[name])) for name in ("base", "value", "difference", "se")]
        cells.append([row["run"], row["metric"], row["unit"], *numbers, "-" if "-" in ends else f"[{', '.join(ends)}]"])
    emit(statistic)
    emit(columns_of_text(headings, cells, left=3))


def _plain(value: Any) -> Any:
    """A cell as JSON has it."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN
