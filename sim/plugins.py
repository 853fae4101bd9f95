"""Plug-ins: frozen records of parameters, found by name in a registry or among installed entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from sim.errors import PluginError, UnknownNameError

INTERFACE = 1
"""Version of the plug-in contract; a plug-in that declares another is refused."""


class Plugin(BaseModel):
    """A frozen, closed record of parameters with one small contract.

    Fields are documented by the string below them; those texts become the schema and the reference page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    name: ClassVar[str] = ""
    interface: ClassVar[int] = INTERFACE


P = TypeVar("P", bound=type)


class Registry(Generic[P]):
    """The plug-ins of one sort, ours by decorator and others' by entry point.

    Parameters
    ----------
    sort : str
        Singular noun for messages, such as ``"channel"``.
    group : str
        Entry-point group, such as ``"sim.channels"``. It is listed without importing anything; an entry is
        loaded only when a scenario names it.
    """

    def __init__(self, sort: str, group: str) -> None:
        self.sort, self.group = sort, group
        self._own: dict[str, P] = {}
        self._loaded: dict[str, P] = {}

    def register(self, name: str) -> Callable[[P], P]:
        """Return a decorator that files one of our own classes under `name`.

        Parameters
        ----------
        name : str
            The key a scenario uses.

        Returns
        -------
        callable
            Decorator that returns the class unchanged.

        Raises
        ------
        PluginError
            If the name is taken.
        """

        def add(cls: P) -> P:
            if name in self._own:
                raise PluginError(f"{self.sort} {name!r} is registered twice")
            cls.name = name  # type: ignore[attr-defined]
            self._own[name] = cls
            return cls

        return add

    def names(self) -> list[str]:
        """Return every known name, sorted, ours and installed ones.

        Returns
        -------
        list of str
            Nothing is imported to find them.
        """
        return sorted({*self._own, *(entry.name for entry in entry_points(group=self.group))})

    def __getitem__(self, name: str) -> P:
        """Return the class filed under a name, loading an installed plug-in if need be."""
        if name in self._own:
            self._refuse_shadow(name)
            return self._own[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def _found(self, name: str) -> list[EntryPoint]:
        return [entry for entry in entry_points(group=self.group) if entry.name == name]

    def _refuse_shadow(self, name: str) -> None:
        shadows = self._found(name)
        if shadows:
            raise PluginError(f"name {name!r} is built in; package {_package(shadows[0])} may not replace it")

    def _load(self, name: str) -> P:
        found = self._found(name)
        if not found:
            raise UnknownNameError(self.sort, name, self.names())
        if len(found) > 1:
            claimed = _listed(_package(entry) for entry in found)
            raise PluginError(f"name {name!r} is claimed by packages {claimed}; remove one")
        where = f"plug-in {name!r} (package {_package(found[0])})"
        try:
            cls: P = found[0].load()
        except Exception as error:  # a plug-in may fail in any way; the scenario that named it must hear of it
            raise PluginError(f"{where} could not be loaded: {type(error).__name__}: {error}") from error
        needs = getattr(cls, "interface", None)
        if needs != INTERFACE:
            raise PluginError(f"{where} needs plug-in interface {needs}, this program has {INTERFACE}")
        cls.name = name  # type: ignore[attr-defined]
        return cls


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))
