"""A result folder: parts committed by rename, a manifest that says what they are, a log."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sim.errors import StoreError
from sim.experiments.disk import append, commit, commit_bytes, identity, make_folder, tidy
from sim.experiments.parquet import read_about, read_table, write_table
from sim.experiments.part import (
    FAILED,
    OK,
    PART,
    UNCERTIFIED,
    Columns,
    Part,
    columns,
    digest,
    final_columns,
    from_columns,
    with_final,
)
from sim.experiments.provenance import MANIFEST, SWEEP, Manifest, dumped, read_manifest, run_key

__all__ = ["Store", "read_manifest", "run_key"]

Made = TypeVar("Made")
SCENARIO, LOG, PARTS, PIECES = "scenario.yaml", "run.log", "parts", "pieces"
PART_NAME = re.compile(r"(draws|agents)-(\d{10,13})\.parquet")
NEVER_READ = frozenset({".pkl", ".pickle", ".joblib", ".npy", ".npz"})
"""Endings of files that could run code when they are read."""

ANOTHER_RUN = "holds another run; choose another folder"


@dataclass(frozen=True)
class Store:
    """The folder of one run.

    Parameters
    ----------
    folder : Path
        Where it lies.
    key : str
        Run key; parts with another key are refused.
    places : tuple of int
        What tells the folders from others that may be put in their place later; empty where nothing is written.
    networks : int
        That the draws of the run are spread over.
    """

    folder: Path
    key: str
    places: tuple[int, ...] = ()
    networks: int = 1

    @classmethod
    def of(cls, folder: Path, manifest: Mapping[str, Any]) -> Store:
        """Return the folder of a run that is only read.

        Parameters
        ----------
        folder : Path
            Where it lies.
        manifest : mapping
            Of the run.

        Returns
        -------
        Store
            As the manifest says.
        """
        return cls(folder, manifest["run_key"], networks=manifest.get("networks", 1))

    @classmethod
    def prepare(cls, folder: Path, key: str, networks: int = 1) -> Store:
        """Make or enter a folder for a run.

        Parameters
        ----------
        folder : Path
            Need not exist.
        key : str
            Run key.
        networks : int
            That the draws are spread over.

        Returns
        -------
        Store
            Ready to be written.

        Raises
        ------
        StoreError
            If the folder holds another run, or cannot be written.
        """
        store, held = cls(folder, key, networks=networks), ""
        if (folder / SWEEP).exists():
            raise StoreError(f"{folder}: holds a sweep; choose another folder")
        if (folder / MANIFEST).exists():
            try:
                held = read_manifest(folder)["run_key"]
            except StoreError:
                if not any(store.part_files()):  # someone else's file: not ours to replace
                    raise
                held = ""  # a damaged manifest is made again from the parts, which carry the key too
            if held not in {"", key}:
                raise StoreError(f"{folder}: {ANOTHER_RUN}")
        if not held and any(key != store.key_in(path) for path in store.part_files()):
            raise StoreError(f"{folder}: {ANOTHER_RUN}")
        make_folder(folder / PARTS)
        tidy(folder)
        tidy(folder / PARTS)
        return replace(store, places=identity(folder, folder / PARTS))

    def part_files(self) -> Iterator[Path]:
        """Yield the files of parts, in draw order.

        Yields
        ------
        Path
            Existing files.

        Raises
        ------
        StoreError
            If a file lies among them that is never read.
        """
        for path in sorted((self.folder / PARTS).glob("*")):
            if path.suffix in NEVER_READ:
                raise StoreError(f"{self.folder}: {PARTS}/{path.name} has a type that is never read")
            if PART_NAME.fullmatch(path.name):
                yield path

    def key_in(self, path: Path) -> str:
        """Return the run key that a part's file carries.

        Parameters
        ----------
        path : Path
            Of a part.

        Returns
        -------
        str
            The key of this run where the file is too damaged to say; it is computed again then.
        """
        try:
            return read_about(path).get("run_key", "")
        except StoreError:
            return self.key

    def path_of(self, kind: str, first: int) -> Path:
        """Return where a part lies.

        Parameters
        ----------
        kind : str
            ``"draws"`` or ``"agents"``.
        first : int
            First draw.

        Returns
        -------
        Path
            Whether or not it exists.
        """
        return self.folder / PARTS / f"{kind}-{first:010d}.parquet"

    def write(self, part: Part) -> str:
        """Commit a part.

        Parameters
        ----------
        part : Part
            As `sim.experiments.cuts` has them.

        Returns
        -------
        str
            Its digest, final columns apart.

        Raises
        ------
        StoreError
            Naming the file, if the system refuses.
        """
        # agents first: the draws' file commits the part
        if part.final:
            self._write("agents", part, final_columns(part))
        return self._write("draws", part, columns(part))

    def _write(self, kind: str, part: Part, table: Columns) -> str:
        return self.write_table(self.path_of(kind, part.first), part, table)

    def write_table(self, path: Path, part: Part, table: Columns) -> str:
        """Commit a table of a part.

        Parameters
        ----------
        path : Path
            The file.
        part : Part
            Whose table it is.
        table : dict of str to array
            Metrics or final columns.

        Returns
        -------
        str
            Its digest.

        Raises
        ------
        StoreError
            Naming the file, if the system refuses.
        """
        self.check_place()
        found = digest(table)
        about = {"digest": found, "run_key": self.key, "first": str(part.first), "draws": str(part.draws)}
        commit(path, lambda place: write_table(place, table, about))
        return found

    def check_place(self) -> None:
        """Refuse to write when the folder is not the one that the run began with.

        Raises
        ------
        StoreError
            If it was removed, or something else was put in its place.
        """
        if self.places and self.places != identity(self.folder, self.folder / PARTS):
            raise StoreError(f"{self.folder}: was removed or replaced during the run; nothing more is written")

    def read(self, first: int, *, agents: bool) -> Part:
        """Return a part after checking its digest.

        Parameters
        ----------
        first : int
            First draw.
        agents : bool
            Whether its final columns belong to it.

        Returns
        -------
        Part
            As written.

        Raises
        ------
        StoreError
            Naming the part, if it is missing, damaged or of another run.
        """
        part = self._checked(lambda table: from_columns(table, self.networks), "draws", first)
        if part.first != first or not 0 < part.draws <= PART or set(part.status) - {OK, UNCERTIFIED, FAILED}:
            raise self._damaged("draws", first, "does not hold the draws its name says")
        if agents and any(status != FAILED for status in part.status):
            part = self._checked(lambda table: with_final(part, table), "agents", first)
        return part

    def _checked(self, made: Callable[[Columns], Part], kind: str, first: int) -> Part:
        path = self.path_of(kind, first)
        if not path.is_file():
            last = first + (PART - 1) * self.networks
            raise self._damaged(kind, first, f'(draws {first}-{last}) is missing; "resume" computes it')
        return self.checked(made, path)

    def checked(self, made: Callable[[Columns], Made], path: Path) -> Made:
        """Return what a file of this run holds.

        Parameters
        ----------
        made : callable
            Makes it of the table.
        path : Path
            The file.

        Returns
        -------
        Part or table
            As written.

        Raises
        ------
        StoreError
            Naming the file, if it is damaged or of another run.
        """
        name = f"{self.folder}: {path.parent.name}/{path.name}"
        try:
            about, table = read_about(path), read_table(path)
        except StoreError as error:
            raise StoreError(f"{name} {str(error).partition(': ')[2]}") from error
        if about.get("run_key") != self.key:
            raise StoreError(f"{name} belongs to another run")
        if about.get("digest") != digest(table):
            raise StoreError(f"{name} digest differs; the file was changed or damaged")
        try:
            return made(table)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{name} {error}") from error

    def _damaged(self, kind: str, first: int, what: str) -> StoreError:
        return StoreError(f"{self.folder}: {PARTS}/{self.path_of(kind, first).name} {what}")

    def write_manifest(self, manifest: Manifest) -> None:
        """Commit the manifest.

        Parameters
        ----------
        manifest : dict
            See `sim.experiments.provenance.FIELDS`.

        Raises
        ------
        StoreError
            If the system refuses.
        """
        self.write_text(MANIFEST, dumped(manifest))

    def write_scenario(self, text: str) -> None:
        """Commit the scenario, resolved and complete.

        Parameters
        ----------
        text : str
            YAML.

        Raises
        ------
        StoreError
            If the system refuses.
        """
        self.write_text(SCENARIO, text)

    def write_text(self, name: str, text: str) -> None:
        """Commit a file of text.

        Parameters
        ----------
        name : str
            Of the file.
        text : str
            All of it.

        Raises
        ------
        StoreError
            If the system refuses.
        """
        self.check_place()
        commit_bytes(self.folder / name, text.encode("utf-8"))

    def log(self, line: str) -> None:
        """Add a line with the time to the log.

        Parameters
        ----------
        line : str
            Without absolute paths.

        Raises
        ------
        StoreError
            If the system refuses.
        """
        self.check_place()
        append(self.folder / LOG, f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")
