"""A strict JSON reader that knows its lines: no duplicate keys, no NaN, no overflow, bounded depth."""

from __future__ import annotations

import json
import re
from bisect import bisect_right

from sim.networks.files import quoted
from sim.scenario.node import Draft, KeyPath

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?(?![0-9A-Za-z_.+-])")
_WORD = re.compile(r"[^\s,:\[\]{}\"]+")
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}


def read_json(text: str, draft: Draft) -> object:
    """Return the value a JSON text holds; problems and lines go into `draft`.

    Parameters
    ----------
    text : str
        The whole text.
    draft : Draft
        Where problems and lines are gathered.

    Returns
    -------
    object
        Plain data.

    Raises
    ------
    InputError
        Where the text cannot be read on.
    """
    reader = _Reader(text, draft)
    value = reader.value((), 0)
    if reader.position < len(text):
        raise draft.stop("something follows the end of the JSON value", reader.line)
    return value


class _Reader:
    """A place in a JSON text; recursion is bounded by the depth limit of the draft."""

    def __init__(self, text: str, draft: Draft) -> None:
        self.text, self.draft = text, draft
        self._breaks = [match.start() for match in re.finditer(r"\n|\r(?!\n)", text)]
        self.position = 0
        self._skip()

    @property
    def line(self) -> int:
        """Line of the current place, counted from 1."""
        return bisect_right(self._breaks, self.position - 1) + 1

    def value(self, path: KeyPath, depth: int) -> object:
        """Read one value and the space behind it."""
        self.draft.enter(depth, self.line)
        self.draft.lines.setdefault(path, self.line)
        start = self.text[self.position : self.position + 1]
        if start == "{":
            return self._mapping(path, depth)
        if start == "[":
            return self._list(path, depth)
        if start == '"':
            return self._string(path)
        return self._plain(path)

    def _skip(self) -> None:
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position

    def _take(self, mark: str) -> bool:
        """Step over a punctuation mark if it is next."""
        if not self.text.startswith(mark, self.position):
            return False
        self.position += 1
        self._skip()
        return True

    def _string(self, path: KeyPath) -> str:
        found = _STRING.match(self.text, self.position)
        if not found:
            message = "text is never closed, or holds an escape or a line break that JSON forbids"
            raise self.draft.stop(message, self.line)
        value: str = json.loads(found.group())
        self.draft.text(value, path, self.line)
        self.position = found.end()
        self._skip()
        return value

    def _plain(self, path: KeyPath) -> object:
        line = self.line
        number = _NUMBER.match(self.text, self.position)
        word = _WORD.match(self.text, self.position)
        found = number or word
        if not found:
            rest = self.text[self.position : self.position + 1]
            raise self.draft.stop(f"expected a value, got {quoted(rest) if rest else 'the end of the file'}", line)
        self.position = found.end()
        self._skip()
        written = found.group()
        if number:
            whole = number.group(1) is None and number.group(2) is None
            return (self.draft.integer if whole else self.draft.real)(written, path, line)
        if written in _WORDS:
            return _WORDS[written]
        if written in ("NaN", "Infinity", "-Infinity"):
            self.draft.complain(f"{written} is not a JSON number", line, path)
            return None
        raise self.draft.stop(f"{quoted(written)} is not JSON; text needs double quotes", line)

    def _list(self, path: KeyPath, depth: int) -> list[object]:
        items: list[object] = []
        self._take("[")
        if self._take("]"):
            return items
        while True:
            items.append(self.value((*path, len(items)), depth + 1))
            if self._take("]"):
                return items
            if not self._take(","):
                raise self.draft.stop('expected "," or "]" in a list', self.line)

    def _mapping(self, path: KeyPath, depth: int) -> dict[str, object]:
        items: dict[str, object] = {}
        self._take("{")
        if self._take("}"):
            return items
        while True:
            line = self.line
            if not self.text.startswith('"', self.position):
                raise self.draft.stop("expected a key in double quotes", line)
            key = self._string(path)
            self.draft.opened(items, (*path, key), line)
            if not self._take(":"):
                raise self.draft.stop(f'expected ":" after the key {quoted(key)}', self.line)
            items[key] = self.value((*path, key), depth + 1)
            if self._take("}"):
                return items
            if not self._take(","):
                raise self.draft.stop('expected "," or "}" in a mapping', self.line)
