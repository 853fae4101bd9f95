"""Opening a result folder: what it says of itself, checked against what lies in it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from sim.errors import StoreError
from sim.experiments.cuts import weave
from sim.experiments.part import Part
from sim.experiments.reading import answer_of, read_parts
from sim.experiments.result import Result
from sim.experiments.store import SCENARIO, Store, read_manifest


def open_result(folder: str | Path) -> Result:
    """Open a result folder; every part is checked against its digest, and all of them against the answer's.

    Parameters
    ----------
    folder : str or Path
        What a run wrote.

    Returns
    -------
    Result
        With the same numbers, bit for bit.

    Raises
    ------
    StoreError
        If there is no complete result, or it is damaged; names the part.
    """
    place = Path(folder)
    manifest = read_manifest(place)
    store = Store.of(place, manifest)
    stray = sum(1 for _ in store.part_files())  # refuses what must never be read
    if not manifest["complete"]:
        raise StoreError(
            f"{place}: interrupted with {stray} part(s) written; sim resume {shlex.quote(str(place))} finishes it"
        )
    agents, names = manifest["record"] == "agents", tuple(each["name"] for each in manifest["metrics"])

    def checked() -> Iterator[Part]:
        for part in read_parts(store, manifest["draws"], agents=agents):
            if tuple(part.metrics) != names:
                raise StoreError(f"{place}: the parts hold other metrics than the manifest says")
            yield part

    if answer_of(checked()) != manifest["answer_sha256"]:
        raise StoreError(f"{place}: the parts do not give the answer_sha256 of the manifest; they are not of one run")
    try:
        text = (place / SCENARIO).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{place}: {SCENARIO} cannot be read") from error
    return Result(manifest, lambda: weave(read_parts(store, manifest["draws"], agents=agents)), text, place)
