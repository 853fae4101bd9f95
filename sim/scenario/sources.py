"""Where the parts of a system may come from: keys of a scenario, and the generators that each of them takes."""

from __future__ import annotations

import typing
from collections.abc import Mapping

from sim.networks.base import Generator, Maker
from sim.networks.tables import TableGenerator
from sim.scenario.sections import AgentSources, LayerSource, LayerSources, Section, SystemSource, TableSource

Source = type[LayerSource] | type[TableSource]


def _sources() -> dict[tuple[str, ...], Source]:
    found: dict[tuple[str, ...], Source] = {}
    parts: Mapping[tuple[str, ...], type[Section]] = {
        ("agents",): AgentSources,
        ("layers",): LayerSources,
        (): SystemSource,
    }
    for above, part in parts.items():
        for name, field in part.model_fields.items():
            for cls in (field.annotation, *typing.get_args(field.annotation)):
                if isinstance(cls, type) and issubclass(cls, LayerSource | TableSource):
                    found[*above, name] = cls
    return found


SOURCES: Mapping[tuple[str, ...], Source] = _sources()
"""Key below ``system`` -> what may stand there."""

WAYS = ("file", "reconstruct", "generator")
"""Keys of a source that say where the part comes from; one of them is given."""


def takes(at: tuple[str, ...], generator: type[Maker]) -> bool:
    """Return whether a part of a system can be made by a generator.

    Parameters
    ----------
    at : tuple of str
        Key below ``system``, such as ``("layers", "services")``.
    generator : type
        A network generator, or a generator of tables.

    Returns
    -------
    bool
        Layers between banks take network generators, all other parts those that make their table.
    """
    if issubclass(SOURCES[at], LayerSource):
        return issubclass(generator, Generator)
    return issubclass(generator, TableGenerator) and at[-1] in generator.tables
