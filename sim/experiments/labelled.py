"""The numbers of a run with labelled axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Float
from sim.experiments.part import Part, draw_numbers

if TYPE_CHECKING:
    import xarray as xr


def dataset(part: Part, info: Mapping[str, tuple[str, str]], said: Mapping[str, Any]) -> xr.Dataset:
    """Return draws as a dataset.

    Parameters
    ----------
    part : Part
        All draws.
    info : mapping of str to (str, str)
        Unit and description of each metric.
    said : mapping
        Provenance; becomes the attributes of the dataset.

    Returns
    -------
    Dataset
        Metrics over ``draw`` and ``step``, final columns over ``draw`` and ``agent``, ``status`` over ``draw``; with
        several networks, that of each draw as a coordinate.
    """
    import xarray as xr

    values: dict[str, Any] = {"status": ("draw", np.array(part.status, dtype=str))}
    for name, metric in part.metrics.items():
        unit, description = info[name]
        values[name] = (("draw", "step"), metric.copy(), {"units": unit, "long_name": description})
    for name, column in part.final.items():
        label = f"final_{name}" if name in values else name
        values[label] = (("draw", "agent"), column.copy())
    places: dict[str, Any] = {"draw": draw_numbers(part), "step": np.arange(1, part.steps + 1)}
    if part.networks > 1:
        places["network"] = ("draw", draw_numbers(part) % part.networks)
    if part.agents:
        places["agent"] = np.array(part.agents, dtype=str)
    attributes = dict(said)
    attributes["seed"] = str(attributes["seed"])  # may be wider than any integer of a file format
    attributes |= {f"version_{name}": number for name, number in attributes.pop("versions").items()}
    return xr.Dataset(values, places, attributes)


def swept(facts: Mapping[str, Any], values: Mapping[str, Float], statistics: Sequence[str]) -> xr.Dataset:
    """Return the summaries of a sweep as a dataset.

    Parameters
    ----------
    facts : mapping
        Manifest of the sweep.
    values : dict of str to float64[n_runs, n_statistics]
        By metric, in the order of the rows.
    statistics : sequence of str
        Names of the columns of `values`.

    Returns
    -------
    Dataset
        Over the keys of a grid, else over ``point``.
    """
    import xarray as xr

    rows, keys, policies = facts["rows"], list(facts["keys"]), list(facts["policies"])
    places: dict[str, Any] = {}
    if facts["sample"] == "grid" and keys:
        places |= {key: _labels(facts["axes"][key]) for key in keys}
    else:
        places["point"] = np.arange(len(rows) // max(1, len(policies)))
    inner = list(places)
    places |= {"policy": np.array(policies, dtype=str)} if policies else {}
    places["statistic"] = np.array(statistics, dtype=str)
    shape = tuple(len(each) for each in places.values())
    units = {each["name"]: {"units": each["unit"], "long_name": each["description"]} for each in facts["metrics"]}
    data = {name: (tuple(places), table.reshape(shape), units[name]) for name, table in values.items()}
    coordinates: dict[str, Any] = dict(places)
    if inner == ["point"]:
        first = [row for row in rows if not policies or row["policy"] == policies[0]]
        coordinates |= {key: ("point", _labels([row["values"].get(key) for row in first])) for key in keys}
    said = {name: str(facts[name]) for name in ("name", "title", "sample", "seed", "engine", "answer_sha256")}
    return xr.Dataset(data, coordinates, said)


def _labels(values: Sequence[Any]) -> Any:
    """Values as labels: numbers, else text."""
    if all(isinstance(value, int | float) for value in values):
        return np.array(values)
    return np.array([str(value) for value in values])
