"""Read YAML 1.2 or JSON as data and nothing else; every value keeps its line.

What makes YAML surprising is refused or read plainly: no tags, anchors, aliases, merge keys, duplicate keys, tabs or
second documents; ``no`` and ``on`` are text; ``010`` and ``1:30`` are refused because programs disagree on them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from sim.errors import InputError, Problem
from sim.networks.files import decoded, label, line_at, looks_wide, meant, quoted, read_bytes
from sim.scenario.json_text import read_json
from sim.scenario.node import MAX_BYTES, Draft, KeyPath, Node, dotted, prefix

__all__ = ["Node", "dotted", "read_mapping", "read_text", "read_value"]

# The core schema of YAML 1.2, section 10.3.2.
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(nan|NaN|NAN)")
# Read as numbers by YAML 1.1 only.
_OLD_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
_STANDARD_TAG = "tag:yaml.org,2002:"


def read_mapping(path: Path) -> Node:
    """Read a scenario file.

    Parameters
    ----------
    path : Path
        A YAML 1.2 file, or a JSON file when its name ends in ``.json``.

    Returns
    -------
    Node
        Plain data and the line of every key.

    Raises
    ------
    InputError
        Every problem found, each with its line.
    """
    name = label(path)
    try:
        data = read_bytes(path, MAX_BYTES, "scenario file")
    except InputError as error:
        raise _with_neighbours(error, path) from error
    if b"\0" in data and not looks_wide(data):
        raise InputError([Problem("not a text file", name)])
    text = decoded(data, name)
    if found := _CONTROL.search(text):
        line = line_at(text.encode(), len(text[: found.start()].encode()))
        raise InputError([Problem(f"control character {quoted(found.group())} is not allowed", name, line)])
    return read_text(text, name, is_json=path.suffix.lower() == ".json")


def read_text(text: str, name: str = "", *, is_json: bool = False) -> Node:
    """Read a mapping from text.

    Parameters
    ----------
    text : str
        YAML 1.2 or JSON.
    name : str
        How the source is called in messages.
    is_json : bool
        Whether the text is JSON.

    Returns
    -------
    Node
        Plain data and the line of every key.

    Raises
    ------
    InputError
        Every problem found, each with its line.
    """
    draft = Draft(name)
    value = _parsed(text, draft, is_json)
    if draft.problems:
        raise draft.error()
    if value is None:
        raise draft.stop("file is empty; a scenario starts with a line such as version: 1", None)
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a single value"
        raise draft.stop(f"expected a mapping at top level, got {kind}", draft.lines.get((), 1))
    return Node(value, draft.lines)


def read_value(text: str, name: str = "") -> object:
    """Read one value as it may stand behind a key, such as ``0.4``, ``[1, 2]`` or ``{a: 1}``.

    Parameters
    ----------
    text : str
        YAML 1.2, at most as long as a scenario file.
    name : str
        How the source is called in messages, for example the key it is meant for.

    Returns
    -------
    object
        Plain data; an empty text is None.

    Raises
    ------
    InputError
        Every problem found.
    """
    if len(text) > MAX_BYTES:
        raise InputError([Problem(f"value is longer than {MAX_BYTES:,} characters", name)])
    if found := _CONTROL.search(text):
        raise InputError([Problem(f"control character {quoted(found.group())} is not allowed", name)])
    draft = Draft(name)
    try:
        value = _parsed(text, draft, is_json=False)
        if draft.problems:
            raise draft.error()
    except InputError as error:
        # There is no file whose line could be named.
        raise InputError([replace(problem, line=None) for problem in error.problems]) from error
    return value


def _parsed(text: str, draft: Draft, is_json: bool) -> object:
    """Return plain data; None for a text without content."""
    if is_json:
        return read_json(text, draft) if text.strip() else None
    reader = YAML(typ="safe", pure=True)
    composer = _Composer(reader.parse(text), draft)
    try:
        return composer.document()
    except InputError:
        raise
    # A malformed escape or directive reaches Python functions that raise their own errors.
    except (YAMLError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, AssertionError) as error:
        for message, line in _explained(error, text):
            draft.complain(message, line)
        raise draft.error() from error


class _Composer:
    """Builds plain data from the event stream; recursion is bounded by the depth limit of the draft."""

    def __init__(self, events: Iterator[Event], draft: Draft) -> None:
        self.events, self.draft = events, draft

    def document(self) -> object:
        """Read the only document there may be."""
        next(self.events)
        event = next(self.events)
        if isinstance(event, StreamEndEvent):
            return None
        self._check_directives(event)
        value = self._value(next(self.events), (), 0)
        next(self.events)
        event = next(self.events)
        if isinstance(event, DocumentStartEvent):
            self.draft.complain("one document expected, found a second one", _line(event))
        return value

    def _check_directives(self, event: Event) -> None:
        version, tags = getattr(event, "version", None), getattr(event, "tags", None)
        if tags or (version is not None and tuple(version) != (1, 2)):
            message = "directives are not allowed; the file is read as YAML 1.2"
            self.draft.complain(message, max(1, _line(event) - 1))

    def _value(self, event: Event, path: KeyPath, depth: int) -> object:
        line = _line(event)
        self.draft.enter(depth, line)
        self.draft.lines.setdefault(path, line)
        self._check_node(event, path)
        if isinstance(event, SequenceStartEvent):
            return self._list(path, depth)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, depth)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        return None

    def _check_node(self, event: Event, path: KeyPath) -> None:
        """Refuse what makes a node more than data."""
        line = _line(event)
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
            self.draft.complain("anchors and aliases are not allowed; write the value out", line, path)
        given = getattr(event, "tag", None) if isinstance(event, NodeEvent) else None
        tag = "" if given is None else str(given)
        if tag:
            written = "!!" + tag.removeprefix(_STANDARD_TAG) if tag.startswith(_STANDARD_TAG) else tag
            shown = quoted(written)[1:-1]
            self.draft.complain(f"tag {shown} is not allowed; scenario files hold data only", line, path)

    def _list(self, path: KeyPath, depth: int) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            items.append(self._value(event, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, path: KeyPath, depth: int) -> dict[str, object]:
        items: dict[str, object] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self._key(event, items, path, depth)
            items[key] = self._value(next(self.events), (*path, key), depth + 1)
        return items

    def _key(self, event: Event, items: dict[str, object], path: KeyPath, depth: int) -> str:
        """Read a key; it is text whatever it looks like, so ``no: 1`` has the key ``no``."""
        line = _line(event)
        self.draft.enter(depth, line)
        if not isinstance(event, ScalarEvent):
            self.draft.complain("a key must be plain text", line, path)
            if not isinstance(event, AliasEvent):
                self._value(event, (*path, "?"), depth + 1)
            return "?"
        self._check_node(event, path)
        key = self.draft.text(event.value, path, line)
        if key == "<<" and event.implicit[0]:
            self.draft.complain("merge keys (<<) are not allowed; write the keys out", line, path)
        elif key == "":
            self.draft.complain("a key is empty", line, path)
        self.draft.opened(items, (*path, key), line)
        return key

    def _scalar(self, event: ScalarEvent, path: KeyPath) -> object:
        text, line = event.value, _line(event)
        if not event.implicit[0]:
            return self.draft.text(text, path, line)
        if text in _NULL:
            return None
        if text in _BOOLEAN:
            return _BOOLEAN[text]
        # Only text that starts like a number is compared with the patterns of numbers.
        if text[0] not in "+-.0123456789":
            return self.draft.text(text, path, line)
        return self._number(text, path, line)

    def _number(self, text: str, path: KeyPath, line: int) -> object:
        """Return a number, or the text when it only starts like one."""
        if _OLD_OCTAL.fullmatch(text):
            self.draft.complain(_octal(text, path), line, path)
            return 0
        if _SEXAGESIMAL.fullmatch(text):
            self.draft.complain(_sexagesimal(text, path), line, path)
            return 0
        if _INTEGER.fullmatch(text):
            return self.draft.integer(text, path, line)
        if _BASED.fullmatch(text):
            return self.draft.integer(text, path, line, 16 if text[1] == "x" else 8)
        if _REAL.fullmatch(text):
            return self.draft.real(text, path, line)
        if special := _SPECIAL.fullmatch(text):
            return math.nan if special.group(2) else math.copysign(math.inf, -1 if special.group(1) == "-" else 1)
        return self.draft.text(text, path, line)


def _line(event: Event) -> int:
    """Return the line, counted from 1, on which an event starts."""
    return int(event.start_mark.line) + 1


def _octal(text: str, path: KeyPath) -> str:
    """Say what a leading zero does."""
    digits = text.lstrip("+-").replace("_", "").lstrip("0") or "0"
    shown, plain = quoted(text, 30)[1:-1], quoted(digits, 30)[1:-1]
    where = prefix(path)
    if len(digits) < 20 and set(digits) <= set("01234567"):
        value = int(digits, 8)
        return f'{where}written as {shown} would mean {value}; write {value} or {plain}, or "{shown}" for text'
    return f'{where}written as {shown} has a leading zero; write {plain}, or "{shown}" for text'


def _sexagesimal(text: str, path: KeyPath) -> str:
    """Say what colons between digits do."""
    shown, value = quoted(text, 30)[1:-1], 0
    where = prefix(path)
    if len(text) <= 20 and "." not in text:
        for part in text.lstrip("+-").split(":"):
            value = value * 60 + int(part)
        sign = "-" if text.startswith("-") else ""
        return f'{where}written as {shown} would mean {sign}{value}; write a plain number, or "{shown}" for text'
    return f'{where}written as {shown} would be read in base 60; write a plain number, or "{shown}" for text'


def _explained(error: Exception, text: str) -> list[tuple[str, int | None]]:
    """Turn an error of the YAML parser into messages with lines."""
    if not isinstance(error, MarkedYAMLError):
        return [(f"not valid YAML: {quoted(str(error) or type(error).__name__)[1:-1]}", None)]
    mark = error.problem_mark or error.context_mark
    line = None if mark is None else int(mark.line) + 1
    problem = str(error.problem or error.context or "cannot be read")
    rows = text.splitlines()
    if "'\\t'" in problem:
        tabs = [n for n, row in enumerate(rows, 1) if "\t" in row[: len(row) - len(row.lstrip())]]
        if tabs:
            return [("tab used for indentation; use spaces", each) for each in tabs]
        return [("tab used between values; use spaces", line)]
    if problem.startswith("expected '<document start>'"):
        if line is not None and any(row.startswith("...") for row in rows[:line]):
            return [("one document expected, found a second one", line)]
        return [("expected one mapping of key: value lines", line)]
    hint = "; quote text that holds a colon and a space" if "mapping values are not allowed" in problem else ""
    if "end of stream" in problem and error.context_mark is not None:
        return [("quote opened here is never closed", int(error.context_mark.line) + 1)]
    return [(f"not valid YAML: {quoted(problem, 120)[1:-1]}{hint}", line)]


def _with_neighbours(error: InputError, path: Path) -> InputError:
    """Add the name of a similar file to the message that there is none."""
    first = error.problems[0]
    if first.message != "no such file":
        return error
    try:
        known = [each.name for each in path.parent.iterdir()]
    except (OSError, ValueError):
        return error
    return InputError([Problem(first.message + meant(path.name, known), first.path)])
