"""Where numbers come from: the engine that made them, the key of a run, the manifest of a result."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from sim.errors import Problem, StoreError

FORMAT = 1
"""Of the result folder; a reader refuses newer ones."""

MANIFEST, SWEEP = "manifest.json", "sweep.json"
DISTRIBUTION = "contagion-sim"

NOT_IN_NUMBERS = frozenset({"__main__.py", "cli", "report", "experiments", "dashboard", "analysis"})
"""Parts of the package that show or store numbers but make none."""

FIELDS: dict[str, type | tuple[type, ...]] = {
    "run_key": str,
    "name": str,
    "title": str,
    "mode": str,
    "record": str,
    "scenario_sha256": str,
    "engine": str,
    "seed": int,
    "draws": int,
    "complete": bool,
    "answer_sha256": (str, type(None)),
    "failed": int,
    "uncertified": int,
    "versions": dict,
    "metrics": list,
    "imputed": list,
    "warnings": list,
}
"""What a manifest holds besides its format and its own digest."""

OPTIONAL: dict[str, type | tuple[type, ...]] = {
    "networks": int,
    "player": (str, type(None)),
    "until": (dict, type(None)),
    "traces": dict,
}
"""What it may hold besides."""

Manifest = dict[str, Any]


class Keyed(Protocol):
    """What of a scenario decides a run."""

    @property
    def digest(self) -> str:
        """SHA-256 over what the scenario says and reads, draws and seed apart."""

    @property
    def record(self) -> str:
        """What is kept."""


@cache
def engine() -> str:
    """Return the version of the code that makes numbers.

    Returns
    -------
    str
        Version of the package, ``+`` and 12 digits of the SHA-256 of its sources, so that edited code never continues
        an old run.
    """
    seen = hashlib.sha256()
    package = Path(__file__).resolve().parent.parent
    for path in sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).parts):
        parts = path.relative_to(package).parts
        if parts[0] not in NOT_IN_NUMBERS:
            seen.update(hashlib.sha256("/".join(parts).encode()).digest())
            seen.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{_version(DISTRIBUTION)}+{seen.hexdigest()[:12]}"


def _version(distribution: str) -> str:
    own = getattr(sys.modules["sim"], "__version__", None)
    if distribution == DISTRIBUTION and own is not None:
        return str(own)
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "0"


def versions() -> dict[str, str]:
    """Return the versions that matter.

    Returns
    -------
    dict of str to str
        Of Python, of this package and of the libraries that compute.
    """
    named = (DISTRIBUTION, "numpy", "scipy", "numba", "duckdb")
    return {"python": platform.python_version()} | {name: _version(name) for name in named}


def imputed_columns(cells: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is not observed, one entry a column and reason.

    Parameters
    ----------
    cells : iterable of mapping
        With the keys ``table``, ``row``, ``cell`` and ``how``.

    Returns
    -------
    list of dict
        ``table``, ``cell``, ``rows`` (a count, or ``"all"``) and ``how``.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    whole = set()
    for each in cells:
        column = (str(each["table"]), str(each["cell"]), str(each["how"]))
        counts[column] += 1
        if each["row"] == "all":
            whole.add(column)
    return [
        {"table": column[0], "cell": column[1], "rows": "all" if column in whole else count, "how": column[2]}
        for column, count in counts.items()
    ]


def run_key(scenario: Keyed, seed: int, record: str | None = None) -> str:
    """Return the one number that identifies a run; more draws continue it, anything else is another run.

    Parameters
    ----------
    scenario : Scenario
        What is played.
    seed : int
        Of all random numbers.
    record : str, optional
        What is kept; by default what the scenario says.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    return key_of(scenario.digest, seed, record or scenario.record)


def key_of(scenario_sha256: str, seed: int, record: str, made_by: str | None = None, model: str | None = None) -> str:
    """Return the run key of its parts.

    Parameters
    ----------
    scenario_sha256 : str
        Digest of the scenario.
    seed : int
        Of all random numbers.
    record : str
        What is kept.
    made_by : str, optional
        Engine; by default this one.
    model : str, optional
        Class of agents that decide for themselves.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    said = {"engine": made_by or engine(), "record": record, "scenario": scenario_sha256, "seed": seed}
    said |= {"model": model} if model else {}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def told(warnings: Sequence[object]) -> list[dict[str, Any]]:
    """Return warnings as plain data, without absolute paths.

    Parameters
    ----------
    warnings : sequence
        Problems or texts.

    Returns
    -------
    list of dict
        ``message, path, line, key``; each warning once.
    """
    found: dict[str, dict[str, Any]] = {}
    for warning in warnings:
        problem = warning if isinstance(warning, Problem) else Problem(str(warning))
        path = Path(problem.path).name if Path(problem.path).is_absolute() else problem.path
        fact = {"message": problem.message, "path": path, "line": problem.line, "key": problem.key}
        found.setdefault(json.dumps(fact, sort_keys=True), fact)
    return list(found.values())


def dumped(manifest: Mapping[str, Any]) -> str:
    """Return a manifest as the text of its file.

    Parameters
    ----------
    manifest : mapping
        The keys of `FIELDS`.

    Returns
    -------
    str
        JSON with the format and, last, a digest of all before it.
    """
    said = {"format": FORMAT} | dict(manifest)
    said.pop("manifest_sha256", None)
    return json.dumps(said | {"manifest_sha256": _digest(said)}, indent=1, allow_nan=False) + "\n"


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, allow_nan=False).encode()).hexdigest()


def parsed(text: str, where: str) -> Manifest:
    """Return the manifest that a file's text holds.

    Parameters
    ----------
    text : str
        Of ``manifest.json``.
    where : str
        How to name the file in a message.

    Returns
    -------
    dict
        Checked.

    Raises
    ------
    StoreError
        If it is empty, cut, changed, of a newer format, or no manifest at all.
    """
    if not text.strip():
        raise StoreError(f"{where}: empty")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where}: not valid JSON") from error
    if not isinstance(said, dict) or type(said.get("format")) is not int:
        raise StoreError(f"{where}: not the manifest of a result")
    if said["format"] > FORMAT:
        raise StoreError(f"{where}: written by a newer version (format {said['format']}; this one reads {FORMAT})")
    stated = said.pop("manifest_sha256", None)
    for name, kind in FIELDS.items():
        if not isinstance(said.get(name), kind):
            raise StoreError(f"{where}: {name} is missing or of the wrong type")
    for name, kind in OPTIONAL.items():
        if name in said and not isinstance(said[name], kind):
            raise StoreError(f"{where}: {name} is of the wrong type")
    if stated != _digest(said):
        raise StoreError(f"{where}: digest differs; the file was changed or damaged")
    return said


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder.

    Parameters
    ----------
    folder : Path
        Result folder.

    Returns
    -------
    dict
        Checked.

    Raises
    ------
    StoreError
        If there is none, or it is damaged or newer than this program.
    """
    path = folder / MANIFEST
    if not path.is_file():
        held = "; it holds a sweep" if (folder / SWEEP).is_file() else ""
        raise StoreError(f"{folder}: no run found (no {MANIFEST}){held}")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise StoreError(f"{path}: not valid JSON") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot read: {error.strerror}") from error
    return parsed(text, str(path))
