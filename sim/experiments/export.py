"""A result in the formats of other programs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import StoreError, UsageError
from sim.experiments.disk import commit, refused
from sim.experiments.parquet import copy_tables

if TYPE_CHECKING:
    from sim.experiments.result import Result

FORMATS = ("nc", "zarr", "csv", "parquet")
MARKS = ("zarr.json", ".zgroup", ".zmetadata")
"""What shows that a folder is a Zarr store and may be replaced by another."""


def export(folder: str | Path, to: str, out: str | Path | None = None) -> list[Path]:
    """Write a result for other programs; its own folder stays as it is.

    Parameters
    ----------
    folder : str or Path
        Result folder; every digest is checked first.
    to : str
        ``"nc"`` (NetCDF), ``"zarr"``, ``"csv"`` or ``"parquet"``.
    out : str or Path, optional
        File, for Zarr a folder; by default ``draws.<to>`` in the result folder. With ``record: agents`` the final
        columns of tables go to a second file whose name ends in ``-agents``.

    Returns
    -------
    list of Path
        What was written, each file whole or not at all.

    Raises
    ------
    UsageError
        If the format is unknown, or needs a package that is not installed.
    StoreError
        If the result is damaged, or the place refuses.

    Notes
    -----
    In CSV, text that begins with ``= + - @``, a tab or a carriage return is given a leading quote, so that no
    spreadsheet runs it. Numbers are written with as many digits as give the same bits back.
    """
    from sim.experiments.opening import open_result

    if to not in FORMATS:
        raise UsageError(f"unknown format {to!r} (known: {', '.join(FORMATS)})")
    if to == "zarr" and find_spec("zarr") is None:
        raise UsageError("zarr needs a package that is not installed: pip install 'contagion-sim[export]'")
    place = Path(folder)
    result = open_result(place)
    path = Path(out) if out is not None else place / f"draws.{to}"
    if path.is_dir() and to != "zarr":
        raise StoreError(f"{path}: is a folder; give a file")
    if to == "nc":
        commit(path, lambda temporary: _netcdf(result, temporary))
        return [path]
    if to == "zarr":
        return [_zarr(result, path)]
    return _tables(result, to, path)


def _tables(result: Result, to: str, path: Path) -> list[Path]:
    """Draws, and agents where they were kept, each streamed from the parts into one file."""
    from sim.experiments.reading import read_parts
    from sim.experiments.store import Store

    if result.folder is None:
        raise StoreError("the result has no folder")
    store, written = Store.of(result.folder, result.manifest), []
    metrics = [*(["network"] if result.networks > 1 else []), *(each["name"] for each in result.manifest["metrics"])]
    wanted: list[tuple[str, Path]] = [("draws", path)]
    if result.manifest["record"] == "agents":
        wanted.append(("agents", path.with_name(f"{path.stem}-agents{path.suffix}")))
    for kind, target in wanted:
        files = [
            store.path_of(kind, part.first)
            for part in read_parts(store, result.draws, agents=False)
            if store.path_of(kind, part.first).is_file()
        ]
        if not files:
            continue
        order = "" if result.networks == 1 else "draw, step" if kind == "draws" else "draw"
        commit(target, _copier(files, to, result.draws, (metrics if kind == "draws" else None, order)))
        written.append(target)
    return written


def _copier(
    files: Sequence[Path], to: str, draws: int, what: tuple[Sequence[str] | None, str]
) -> Callable[[Path], None]:
    metrics, order = what
    return lambda temporary: copy_tables(files, temporary, to=to, draws=draws, metrics=metrics, order=order)


def _netcdf(result: Result, path: Path) -> None:
    """NetCDF 4 where a package writes it, else NetCDF 3, which SciPy writes."""
    data: Any = result.to_xarray()
    if "mode" in data.attrs:  # SciPy's writer keeps attributes beside its own, and has one of that name
        data.attrs["scenario_mode"] = data.attrs.pop("mode")
    engine = next((name for name in ("h5netcdf", "netCDF4") if find_spec(name)), "")
    if engine:
        data.to_netcdf(path, engine=engine.lower())
    else:
        data.to_netcdf(path, engine="scipy", format="NETCDF3_64BIT")


def _zarr(result: Result, path: Path) -> Path:
    """A Zarr store beside its place, then in its place."""
    if path.exists() and not any((path / mark).exists() for mark in MARKS):
        raise StoreError(f"{path}: exists and is no Zarr store; choose another place")
    temporary = path.with_name(path.name + ".tmp")
    data: Any = result.to_xarray()
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        # format 2 is fixed and read everywhere; format 3 has no text of fixed length yet
        data.to_zarr(temporary, mode="w", **({} if version("zarr").startswith("2.") else {"zarr_format": 2}))
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    except OSError as error:
        raise refused(path, error) from error
    return path
