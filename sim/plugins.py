"""Plug-ins: frozen records of parameters, found by name in a registry or among installed entry points."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout, suppress
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from sim.errors import PluginError, Problem, UnknownNameError, nearest, shown
from sim.ledger.watched import named

INTERFACE = 1
"""Version of the plug-in contract; a plug-in that declares another is refused."""

SORTS = ("channels", "shocks", "metrics", "valuations", "networks", "agents", "policies", "walls")
"""Entry-point groups that are ours, each after ``sim.``; those without a registry are kept for later versions."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,79}")
"""A name must stand as a key in a scenario, in a dotted key and in a column of a table."""


class Plugin(BaseModel):
    """A frozen, closed record of parameters with one small contract.

    Fields are documented by the string below them; those texts become the schema and the reference page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    name: ClassVar[str] = ""
    interface: ClassVar[int] = INTERFACE
    package: ClassVar[str] = ""


T = TypeVar("T")


class Registry(Generic[T]):
    """The plug-ins of one sort, ours by decorator and others' by entry point.

    Parameters
    ----------
    sort : str
        Singular noun for messages, such as ``"channel"``.
    group : str
        Entry-point group, such as ``"sim.channels"``; an entry is loaded only when a scenario names it.
    broken : callable, optional
        ``thing -> list of str``: how a loaded thing breaks the contract of its sort.
    reserved : tuple of str
        Names that nobody may take.
    """

    def __init__(
        self, sort: str, group: str, broken: Callable[[Any], list[str]] | None = None, reserved: tuple[str, ...] = ()
    ) -> None:
        self.sort, self.group, self.reserved = sort, group, reserved
        self._broken = broken
        self._own: dict[str, T] = {}
        self._loaded: dict[tuple[str, str], T] = {}
        self._known: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files one of our own classes, or a metric, under `name`.

        Parameters
        ----------
        name : str
            The key a scenario uses.

        Returns
        -------
        callable
            Decorator that returns what it is given.

        Raises
        ------
        PluginError
            If the name is taken.
        """

        def add(thing: T) -> T:
            if name in self._own:
                raise PluginError(f"{self.sort} {name!r} is registered twice")
            if isinstance(thing, type):
                thing.name = name  # type: ignore[attr-defined]
            self._own[name] = thing
            return thing

        return add

    def names(self) -> list[str]:
        """Return every known name, sorted, ours and installed ones.

        Returns
        -------
        list of str
            Nothing is imported to find them.
        """
        return sorted({*self._own, *self.others()})

    def others(self) -> dict[str, str]:
        """Return the names that installed packages claim, and who does.

        Returns
        -------
        dict of str to str
            Name -> ``package version``; several are joined by "and".
        """
        names = {entry.name for entry in installed(self.group) if self._nameable(entry.name)}
        return {name: " and ".join(sorted(_package(entry) for entry in self._found(name))) for name in sorted(names)}

    def __getitem__(self, name: str) -> T:
        """Return what is filed under a name, loading an installed plug-in if need be."""
        package, _, plain = name.rpartition(":")
        claims = [entry for entry in self._found(plain) if not package or _slug(entry) == _plain(package)]
        if not package and plain in self._own:
            if claims:
                raise PluginError(f"name {plain!r} is built in; package {_package(claims[0])} may not replace it")
            return self._own[plain]
        if not claims:
            raise UnknownNameError(self.sort, name, self.names())
        if len(claims) > 1:
            listed, first = (
                " and ".join(sorted(_package(entry) for entry in claims)),
                min(_slug(entry) for entry in claims),
            )
            raise PluginError(
                f"name {plain!r} is claimed by packages {listed}; remove one or write {first + ':' + plain!r}"
            )
        key = (name, f"{_package(claims[0])} {claims[0].value}")
        if key not in self._loaded:
            self._loaded[key] = self._load(name, claims[0])
        return self._loaded[key]

    def __contains__(self, name: object) -> bool:
        package, _, plain = str(name).rpartition(":")
        if not package:
            return name in self._own or name in self.others()
        return any(_slug(entry) == _plain(package) for entry in self._found(plain))

    def __iter__(self) -> Iterator[str]:
        """Yield our own names in the order they were filed, then those of others, sorted."""
        yield from self._own
        yield from (name for name in self.others() if name not in self._own)

    def __len__(self) -> int:
        return len(self.names())

    def known(self, name: str) -> T:
        """Return what is filed under a name; looked for once in a process, for loops that cannot wait.

        Parameters
        ----------
        name : str
            As a scenario writes it.

        Returns
        -------
        class or metric
            As ``registry[name]``.
        """
        if name not in self._known:
            self._known[name] = self[name]
        return self._known[name]

    def checkup(self, *, load: bool = False) -> list[Problem]:
        """Return what is wrong with the installed plug-ins of this sort.

        Parameters
        ----------
        load : bool
            Whether to import them. Without, only what their packages declare is looked at.

        Returns
        -------
        list of Problem
            One for each plug-in that a scenario could not use, naming the package.
        """
        found = []
        for entry in sorted(installed(self.group), key=lambda entry: (entry.name, _package(entry))):
            where = f"plug-in {shown(entry.name)} (package {_package(entry)})"
            if not self._nameable(entry.name):
                found.append(Problem(f"{where}: the name is not allowed; use letters, digits, _ and -"))
                continue
            if (lost := _lost(entry)) is not None:
                found.append(Problem(f"{where}: {lost}"))
                continue
            try:
                if entry.name in self._own or len(self._found(entry.name)) > 1 or load:
                    _ = self[entry.name]
            except PluginError as error:
                found.append(Problem(str(error)))
        return list(dict.fromkeys(found))

    def _nameable(self, name: str) -> bool:
        return NAME.fullmatch(name) is not None and name not in self.reserved

    def _found(self, name: str) -> list[EntryPoint]:
        return [entry for entry in installed(self.group) if entry.name == name and self._nameable(name)]

    def _load(self, name: str, entry: EntryPoint) -> T:
        where = f"plug-in {name!r} (package {_package(entry)})"
        try:
            with redirect_stdout(sys.stderr):  # stdout belongs to answers, whatever a module prints when imported
                thing = entry.load()
        except (Exception, SystemExit) as error:  # a plug-in may fail in any way; who named it must hear of it
            raise PluginError(f"{where} could not be loaded: {type(error).__name__}: {error}") from error
        problems = self._broken(thing) if self._broken is not None else []
        if problems:
            raise PluginError(f"{where} {'; '.join(problems)}")
        if isinstance(thing, type):
            needs, said = (
                _declared(thing),
                "does not say which plug-in interface it was written for; add to its class: ",
            )
            said += f"interface: ClassVar[int] = {INTERFACE}"
            if needs is not None:
                said = f"needs plug-in interface {needs}, this program has {INTERFACE}"
            if needs != INTERFACE:
                raise PluginError(f"{where} {said}")
            # under "package:name" it is another class, so that neither spelling renames the other
            cls: Any = thing if ":" not in name else type(thing.__name__, (thing,), {"__module__": thing.__module__})
            cls.name, cls.package = name, _package(entry)
            thing = cls
        found: T = thing
        return found


def _declared(cls: type) -> object:
    """Return the interface that a class, or one it builds on outside this program, says it was written for."""
    said = [vars(part)["interface"] for part in cls.__mro__ if "interface" in vars(part) and foreign(part)]
    return said[0] if said else None


def foreign(thing: Any) -> bool:
    """Return whether a class or function is none of ours: installed by another package, or written in a notebook.

    Parameters
    ----------
    thing : class or function
        Any.

    Returns
    -------
    bool
        By the module it was written in.
    """
    return str(thing.__module__).partition(".")[0] != "sim"


def checkup(*registries: Registry[Any], load: bool = False) -> list[Problem]:
    """Return what is wrong with the installed plug-ins, and with groups of entry points that nobody reads.

    Parameters
    ----------
    *registries : Registry
        Of the sorts to look at.
    load : bool
        Whether to import the plug-ins. Without, only what their packages declare is looked at.

    Returns
    -------
    list of Problem
        Warnings, each naming the plug-in and its package.
    """
    found = [problem for registry in registries for problem in registry.checkup(load=load)]
    read, ours = {registry.group for registry in registries}, [f"sim.{sort}" for sort in SORTS]
    for entry in installed():
        if entry.group in read:
            continue
        why = "no such plug-ins yet" if entry.group in ours else f"no such group{nearest(entry.group, ours)}"
        where = f"plug-in {shown(entry.name)} (package {_package(entry)})"
        found.append(Problem(f"{where} is filed under {shown(entry.group)}, and this program has {why}; it is ignored"))
    return list(dict.fromkeys(found))


_SEEN: dict[tuple[tuple[str, int], ...], tuple[EntryPoint, ...]] = {}


def installed(group: str | None = None) -> tuple[EntryPoint, ...]:
    """Return the installed entry points whose group begins with ``sim.``; nothing is imported.

    Parameters
    ----------
    group : str, optional
        Only these.

    Returns
    -------
    tuple of EntryPoint
        Read again when a folder that Python imports from has changed.
    """
    key = tuple((path, _changed(path)) for path in sys.path)
    if key not in _SEEN:
        _SEEN.clear()
        every = entry_points()
        _SEEN[key] = tuple(
            entry for name in sorted(every.groups) if name.startswith("sim.") for entry in every.select(group=name)
        )
    return tuple(entry for entry in _SEEN[key] if group in (None, entry.group))


def _changed(path: str) -> int:
    try:
        return Path(path or ".").stat().st_mtime_ns
    except OSError:
        return 0


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"


def _plain(package: str) -> str:
    """Return the name of a package as a dotted key can hold it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _slug(entry: EntryPoint) -> str:
    return _plain(entry.dist.name) if entry.dist else "unknown"


def _lost(entry: EntryPoint) -> str | None:
    """Return why an entry point leads nowhere, as far as can be told without importing it."""
    match = EntryPoint.pattern.match(entry.value)
    if match is None or not match["attr"]:
        return f"{shown(entry.value)} is no module:name"
    top = match["module"].partition(".")[0]
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    return f"no module named {top!r}" if spec is None else None


def who(plugin: Plugin) -> str:
    """Return how messages name a plug-in.

    Parameters
    ----------
    plugin : Plugin
        Any.

    Returns
    -------
    str
        Its name and, where it was installed, its package.
    """
    return named(plugin.name or type(plugin).__name__, plugin.package)


def origins(plugins: Iterable[Any]) -> dict[str, str]:
    """Return where the plug-ins of others come from, so that changed code is never taken for the same.

    Parameters
    ----------
    plugins : iterable of Plugin or function
        Such as the channels and shocks of a scenario and the functions of its metrics; our own are left out.

    Returns
    -------
    dict of str to str
        Module and name -> package, version and 12 digits of the SHA-256 of its sources.
    """
    found = {}
    given = [each for plugin in plugins for each in (plugin, *getattr(plugin, "uses", ()))]
    for thing in {type(plugin) if isinstance(plugin, Plugin) else plugin for plugin in given}:
        if foreign(thing):
            seen = hashlib.sha256()
            for path in _sources(thing.__module__):
                seen.update(hashlib.sha256(path.read_bytes()).digest())
            if thing.__module__ == "__main__":  # written in a notebook: what its cells said
                with suppress(OSError, TypeError):
                    seen.update(inspect.getsource(thing).encode())
            package = getattr(thing, "package", "") or "unpackaged"
            found[f"{thing.__module__}:{thing.__qualname__}"] = f"{package}+{seen.hexdigest()[:12]}"
    return dict(sorted(found.items()))


def _sources(module: str) -> list[Path]:
    """Return the Python files of a module's top package."""
    spec = find_spec(module.partition(".")[0]) if module != "__main__" else None
    if spec is None or spec.origin is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    return sorted(path for folder in folders for path in folder.rglob("*.py")) or [Path(spec.origin)]
