"""A sweep: one scenario at many points of its keys and under several policies, every run with the same luck."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import FailedDrawsError, InputError, Problem, SimError, StoreError, UsageError, shown
from sim.experiments.blocks import reason_of
from sim.experiments.designs import Design, design, plain
from sim.experiments.disk import NoRoomError, only_writer, tidy
from sim.experiments.gather import model_name, player_name
from sim.experiments.laws import Law
from sim.experiments.meter import Meter
from sim.experiments.monte_carlo import run
from sim.experiments.opening import open_result
from sim.experiments.progress import Tell, teller
from sim.experiments.provenance import SWEEP, engine, key_of
from sim.experiments.reopen import INPUTS, inputs_text
from sim.experiments.repro import verify
from sim.experiments.result import Result
from sim.experiments.sweep_folder import (
    FORMAT,
    POINTS,
    SCENARIO,
    answer,
    open_sweep,
    read_sweep,
    refuse_other,
    write_sweep,
    write_text,
)
from sim.experiments.swept import DONE, FAILED, LOOSE, Sweep
from sim.experiments.until import is_of

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario

__all__ = ["Sweep", "open_sweep", "sweep"]


def sweep(  # noqa: PLR0913 - the options of a run and those of a design
    scenario: Scenario | str | Path,
    over: Any = None,
    *,
    draws: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    out: str | Path | None = None,
    progress: bool | Tell = False,
    sample: str = "grid",
    policies: Mapping[str, Mapping[str, Any]] | None = None,
    allow_uncertified: bool = False,
    **options: Any,
) -> Sweep:
    """Play a scenario at many points, under several policies.

    Every run has the same seed, so draw k is the same luck everywhere: runs differ by what was changed, not by chance,
    and differences between them need far fewer draws than the runs themselves.

    Parameters
    ----------
    scenario : Scenario, str or Path
        Loaded, a path, or the name of a shipped one.
    over : mapping, sequence of mapping or DataFrame, optional
        Dotted key -> list of values, or a distribution written as in a scenario, such as
        ``{"beta": {"a": 2, "b": 5}}`` (also ``uniform, loguniform, triangular, normal, lognormal, integers``); or the
        points themselves, one a row.
    draws : int, optional
        At each point; by default the scenario's.
    seed : int, optional
        Of all runs and of the design; by default the scenario's, else that of the sweep `out` holds, else a random one.
    workers : int, optional
        Threads; by default one a core.
    out : str or Path, optional
        Folder: every run in a result folder of its own below it. Runs that are there already are not played again.
    progress : bool or callable
        True shows a bar on stderr; a callable gets a `Progress` over all runs.
    sample : str
        ``"grid"``, ``"list"``, ``"oat"``, ``"sobol:N"``, ``"halton:N"``, ``"lhs:N"`` or ``"saltelli:N"``; see
        `sim.experiments.designs.design`.
    policies : mapping of str to mapping, optional
        Name -> dotted key -> value. Each is played at every point; give ``{}`` to one for the scenario as it is.
    allow_uncertified : bool
        Whether to take runs with draws whose solvers stopped before their tolerance.
    **options : object
        Further options of `sim.run`, such as ``record``, ``block`` or ``cluster``.

    Returns
    -------
    Sweep
        One row a run; those that failed say why and harm no other.

    Raises
    ------
    UsageError
        If an option is wrong.
    InputError
        If values written down are not allowed; all problems at once, before the first draw.
    FailedDrawsError
        If nothing came out of any run.
    StoreError
        If the folder holds something else or cannot be written.

    Examples
    --------
    >>> from sim.experiments.sweep import sweep
    >>> found = sweep("ring_of_ten", {"shocks.0.size": [0.1, 0.5]}, draws=1)
    >>> found.summary("defaults")["mean"].tolist()
    [0.0, 2.0]
    """
    from sim.scenario.load import load
    from sim.scenario.quarters import refuse_ramp

    base = refuse_ramp(load(scenario) if isinstance(scenario, str | Path) else scenario)
    folder = None if out is None else Path(out)
    chosen = _policies(policies)
    luck = _seed(base, seed, folder)
    points = design({} if over is None else over, sample, luck)
    if not points.keys and not chosen:
        raise UsageError("a sweep needs keys to sweep over, or policies")
    record = str(options.get("record") or base.record)
    plan = _Plan(base, points, chosen, luck, plain(draws), record, allow_uncertified, *_who(options))
    runs = plan.runs()
    options |= {"workers": workers, "seed": None if "monte_carlo.seed" in points.keys else luck}
    with ExitStack() as held:
        if folder is not None:
            refuse_other(folder, plan.key(runs))
            held.enter_context(only_writer(folder))
            tidy(folder)
            write_text(folder, SCENARIO, base.canonical())
            write_text(folder, INPUTS, inputs_text(folder, base))
            write_sweep(folder, plan.facts(runs, complete=False))
            held.enter_context(_one_cluster(options.get("cluster")))
        tell = held.enter_context(teller(progress))
        found = _play(runs, options, folder, Meter(tell, sum(each.draws for each in runs)), allow_uncertified)
        facts = plan.facts(runs, complete=True)
        if folder is not None:
            write_sweep(folder, facts)
    if all(each.status == FAILED for each in runs):
        raise FailedDrawsError(len(runs), len(runs), 0, f"nothing came out of any run; the first: {runs[0].reason}")
    return Sweep(facts, folder, found, base.canonical())


def _who(options: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Who plays, if not the rules of this package, and the class of agents that decide for themselves."""
    model, player = options.get("model"), options.get("player")
    play = player if model is None else model.play
    return (None, None) if play is None else (player_name(play), model_name(play))


def _one_cluster(address: str | None) -> AbstractContextManager[None]:
    """One cluster for all runs: starting one for each takes longer than many a run."""
    if address is None:
        return nullcontext()
    from sim.experiments.connection import kept

    return kept(address)


def _policies(given: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Policies as plain data."""
    if given is None:
        return {}
    problems = [
        Problem(f"policies.{name}: must map dotted keys to values, got {shown(changes)}")
        for name, changes in given.items()
        if not isinstance(changes, Mapping)
    ]
    if problems:
        raise InputError(problems)
    return {str(name): {str(key): plain(value) for key, value in changes.items()} for name, changes in given.items()}


def _seed(scenario: Scenario, given: int | None, folder: Path | None) -> int:
    """The seed: given, the scenario's, that of the sweep to go on with, or drawn."""
    seed = scenario.monte_carlo.seed if given is None else given
    if seed is None and folder is not None and (folder / SWEEP).is_file():
        seed = int(read_sweep(folder)["seed"])
    if seed is None:
        return secrets.randbits(63)
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= int(seed) < 2**128:
        raise UsageError(f"seed must be a whole number from 0 to 2^128 - 1, got {seed!r}")
    return int(seed)


@dataclass
class _Run:
    """One point under one policy, and what became of it."""

    point: int
    policy: str
    values: dict[str, Any]
    scenario: Scenario | None
    key: str
    folder: str
    draws: int
    status: str = ""
    reason: str = ""
    failed: int = 0
    uncertified: int = 0
    answer: str | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def fail(self, reason: str) -> None:
        """Note that nothing came out."""
        self.status, self.reason, self.failed = FAILED, reason, self.draws

    def keep(self, manifest: Mapping[str, Any], allow_uncertified: bool) -> None:
        """Note what came out of some draws at least."""
        self.failed, self.uncertified = int(manifest["failed"]), int(manifest["uncertified"])
        self.answer, self.metrics = str(manifest["answer_sha256"]), list(manifest["metrics"])
        self.draws = int(manifest["draws"])  # fewer than asked for where a mean was known well enough
        loose = self.uncertified and not allow_uncertified
        self.status = LOOSE if loose else DONE
        self.reason = f"{self.uncertified} of {self.draws} draws are not certified" if loose else ""

    def row(self) -> dict[str, Any]:
        """What the manifest says of it."""
        names = ("point", "policy", "values", "folder", "draws", "status", "reason", "failed", "uncertified")
        return {name: getattr(self, name) for name in names} | {"run_key": self.key, "answer_sha256": self.answer}


@dataclass(frozen=True)
class _Plan:
    """What a sweep is."""

    base: Scenario
    design: Design
    policies: Mapping[str, Mapping[str, Any]]
    seed: int
    draws: int | None
    record: str
    allow_uncertified: bool
    player: str | None
    model: str | None

    def runs(self) -> list[_Run]:
        """Every point under every policy, checked against the schema; nothing is played if a written value is wrong."""
        made: list[_Run] = []
        problems: list[Problem] = []
        both = sorted({key for changes in self.policies.values() for key in changes} & set(self.design.keys))
        if both:
            raise UsageError(f"{', '.join(both)}: is swept over and set by a policy; take it out of one of them")
        changed = {*self.design.keys, *(key for changes in self.policies.values() for key in changes)}
        if ends := sorted(key for key in changed if key.split(".")[:2] == ["monte_carlo", "until"]):
            raise UsageError(f"{', '.join(ends)}: says when a run ends, not what it is; set it in the scenario")
        own = {key: _own(self.base, key) for key in self.design.keys}
        for number, point in enumerate(self.design.points):
            for policy, changes in (self.policies or {"": {}}).items():
                try:
                    scenario = self.base.override({**point, **changes})
                except InputError as error:
                    problems += error.problems
                    made.append(_Run(number, policy, own | dict(point), None, "", "", 0))
                    made[-1].fail("; ".join(problem.message for problem in error.problems))
                else:
                    made.append(self._run(number, policy, own | dict(point), scenario))
        bad = sum(1 for each in made if each.scenario is None)
        if problems and (not self.design.is_random or bad == len(made)):
            raise InputError(list(dict.fromkeys(problems)))
        return made

    def _run(self, number: int, policy: str, values: dict[str, Any], scenario: Scenario) -> _Run:
        draws = scenario.monte_carlo.draws if self.draws is None else self.draws
        luck = scenario.monte_carlo.seed if "monte_carlo.seed" in self.design.keys else self.seed
        if self.record != scenario.record and "record" not in self.design.keys:
            scenario = scenario.override({"record": self.record})
        key = key_of(scenario.digest, self.seed if luck is None else luck, scenario.record, model=self.model)
        # a run key says nothing of the number of draws
        name = f"{key[:16]}-{draws}" if "monte_carlo.draws" in self.design.keys else key[:16]
        return _Run(number, policy, values, scenario, key, f"{POINTS}/{name}", draws)

    def key(self, runs: Sequence[_Run]) -> str:
        """The one number that identifies the sweep; more draws continue it."""
        said = [[each.point, each.policy, each.values, each.key] for each in runs]
        return hashlib.sha256(json.dumps([self.design.sample, said], sort_keys=True).encode()).hexdigest()

    def facts(self, runs: Sequence[_Run], *, complete: bool) -> dict[str, Any]:
        """The manifest."""
        axes = {key: axis.written() if isinstance(axis, Law) else list(axis) for key, axis in self.design.axes.items()}
        rows = [each.row() for each in runs]
        return {
            "format": FORMAT,
            "kind": "sweep",
            "sweep_key": self.key(runs),
            "name": self.base.name,
            "title": self.base.title or self.base.name,
            "scenario_sha256": self.base.digest,
            "engine": engine(),
            "player": self.player,
            "seed": self.seed,
            "draws": self.draws,
            "sample": self.design.sample,
            "keys": list(self.design.keys),
            "axes": axes,
            "policies": list(self.policies),
            "changes": {name: dict(changes) for name, changes in self.policies.items()},
            "record": self.record,
            "allow_uncertified": self.allow_uncertified,
            "complete": complete,
            "answer_sha256": answer(rows) if complete else None,
            "metrics": next((each.metrics for each in runs if each.metrics), []),
            "rows": rows,
        }


def _own(scenario: Scenario, key: str) -> Any:
    """What the scenario itself says for a key; None where it says nothing."""
    here: Any = scenario.plain()
    for part in key.split("."):
        if isinstance(here, list) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        elif isinstance(here, Mapping):
            here = here.get(part)
        else:
            return None
    return here


def _play(
    runs: Sequence[_Run], options: Mapping[str, Any], folder: Path | None, meter: Meter, allow_uncertified: bool
) -> dict[str, Result]:
    """Play what is missing, one run after the other; return those that no folder keeps."""
    kept: dict[str, Result] = {}
    first: dict[str, _Run] = {}
    for each in runs:
        asked = each.draws
        there = each.scenario is not None and each.folder in first
        if there:  # the same point, written twice
            twin = first[each.folder]
            each.status, each.reason, each.failed = twin.status, twin.reason, twin.failed
            each.uncertified, each.answer, each.metrics = twin.uncertified, twin.answer, twin.metrics
            each.draws = twin.draws
        elif each.scenario is not None:
            first[each.folder] = each
            place = None if folder is None else folder / each.folder
            found = None if place is None else _there(place, each)
            there = found is not None
            if found is None:
                result = _one(each, options, place, meter)
                found = None if result is None else dict(result.manifest)
                if result is not None and folder is None:
                    kept[each.folder] = result
            if found is not None and place is not None and found["failed"] == found["draws"]:
                bad = open_result(place).failed_draws.iloc[0]
                each.fail(str(FailedDrawsError(each.draws, each.draws, int(bad["draw"]), str(bad["reason"]))))
            elif found is not None:
                each.keep(found, allow_uncertified)
        failed, spared = each.draws if each.status == FAILED else each.failed, asked - each.draws
        meter.finish(each.draws, failed, found=there, spared=spared)
    return kept


def _there(place: Path, run_: _Run) -> dict[str, Any] | None:
    """Manifest of a run that is finished and intact; None where anything is left to do."""
    try:
        manifest = verify(place).manifest
    except StoreError:
        return None
    return manifest if manifest["run_key"] == run_.key and is_of(manifest, run_.scenario, run_.draws) else None


def _one(run_: _Run, options: Mapping[str, Any], place: Path | None, meter: Meter) -> Result | None:
    """Play one run; whatever is wrong with it becomes its reason."""
    if run_.scenario is None:
        return None
    chosen = dict(options) | {"draws": run_.draws, "out": place, "progress": meter.tell, "allow_uncertified": True}
    try:
        return run(run_.scenario, **chosen)
    except (UsageError, NoRoomError, TypeError):  # wrong for every run
        raise
    except Exception as error:  # noqa: BLE001 - one point must not take the others with it
        reason = str(error).replace("\n", "; ") if isinstance(error, SimError) else reason_of(error)
        # where the sweep lies may name a user, and the folder may be moved
        run_.fail(reason if place is None else reason.replace(str(place), run_.folder))
        return None
