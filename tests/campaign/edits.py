"""Small mistakes to plant in source text: turned signs, edges, indices, caps, constants, tolerances."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
}
SIGNS: dict[type[ast.operator], tuple[str, str]] = {ast.Add: ("+", "-"), ast.Sub: ("-", "+")}
PRODUCTS: dict[type[ast.operator], tuple[str, str]] = {ast.Mult: ("*", "/"), ast.Div: ("/", "*")}
CAPS = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}
SMALL = 1e-6
"""A constant below this is a tolerance."""
CHECKED = ("refuse", "number", "numbers", "whole", "network", "choice", "settled", "shape", "reshape", "cast", "field")
"""Calls whose arguments describe or check, and do not compute: their messages have tests of their own."""


@dataclass(frozen=True, order=True)
class Edit:
    """One change of one file: the bytes from `start` to `stop` become `new`."""

    path: str
    start: int
    stop: int
    kind: str
    old: str
    new: str
    line: int

    def apply(self, source: bytes) -> bytes:
        """Return the source with the mistake in it."""
        if source[self.start : self.stop].decode() != self.old:
            raise ValueError(f"{self.path} has changed since the edit was drawn")
        return source[: self.start] + self.new.encode() + source[self.stop :]

    def diff(self, source: bytes) -> str:
        """Return the lines concerned before and after."""
        before, after = source.decode().splitlines(), self.apply(source).decode().splitlines()
        count = self.old.count("\n") + 1
        fewer = count - (len(before) - len(after))
        old = [f"- {text.strip()}" for text in before[self.line - 1 : self.line - 1 + count]]
        return "\n".join(old + [f"+ {text.strip()}" for text in after[self.line - 1 : self.line - 1 + fewer]])


class Sites(ast.NodeVisitor):
    """Finds what can be edited in one file."""

    def __init__(self, path: str, source: bytes) -> None:
        self.path, self.source = path, source
        self.found: list[Edit] = []
        self.starts = [0]
        for text in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(text))

    def at(self, line: int, column: int) -> int:
        """Return the byte of a place in the syntax tree."""
        return self.starts[line - 1] + column

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Return where the bytes of an expression begin and end."""
        return self.at(node.lineno, node.col_offset), self.at(node.end_lineno or 0, node.end_col_offset or 0)

    def text(self, node: ast.expr) -> str:
        """Return the source of an expression."""
        start, stop = self.span(node)
        return self.source[start:stop].decode()

    def add(self, kind: str, start: int, stop: int, new: str) -> None:
        """Keep one possible edit."""
        old = self.source[start:stop].decode()
        line = self.source[:start].count(b"\n") + 1
        self.found.append(Edit(self.path, start, stop, kind, old, new, line))

    def operator(self, kind: str, left: ast.expr, right: ast.expr, old: str, new: str) -> None:
        """Keep the edit of the operator between two operands."""
        begin, end = self.span(left)[1], self.span(right)[0]
        place = self.source.find(old.encode(), begin, end)
        if place >= 0:
            self.add(kind, place, place + len(old), new)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        texts = any(
            isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
            for side in (node.left, node.right)
        )
        if not texts:
            for kind, table in (("sign", SIGNS), ("product", PRODUCTS)):
                if type(node.op) in table:
                    self.operator(kind, node.left, node.right, *table[type(node.op)])
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub):
            start = self.span(node)[0]
            self.add("sign", start, start + 1, "")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        for kind, table in (("sign", SIGNS), ("product", PRODUCTS)):
            if type(node.op) in table:
                old, new = table[type(node.op)]
                self.operator(kind, node.target, node.value, old + "=", new + "=")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            texts = isinstance(right, ast.Constant) and isinstance(right.value, str)
            if type(op) in COMPARISONS and not texts:
                old, others = COMPARISONS[type(op)]
                for new in others:
                    self.operator("comparison", left, right, old, new)
            left = right
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        names = [part for part in parts if isinstance(part, ast.Name)]
        for name in names:
            start, stop = self.span(name)
            self.add("index", start, stop, f"{name.id} - 1")
        if len(parts) == 2 and len(names) == 2:
            start, stop = self.span(names[0])[0], self.span(names[1])[1]
            self.add("index", start, stop, f"{names[1].id}, {names[0].id}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _called(node)
        if name in CHECKED:
            return
        if name in CAPS:
            stop = self.span(node.func)[1]
            self.add("cap", stop - len(name), stop, CAPS[name])
            if len(node.args) == 2:
                for kept in node.args:
                    self.add("cap", *self.span(node), f"({self.text(kept)})")
        if name == "clip" and node.args:
            kept = node.args[0] if len(node.args) == 3 else getattr(node.func, "value", node.args[0])
            self.add("cap", *self.span(node), f"({self.text(kept)})")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        start, stop = self.span(node)
        if isinstance(value, bool):
            self.add("constant", start, stop, str(not value))
        elif isinstance(value, float) and 0.0 < value < SMALL:
            self.add("tolerance", start, stop, repr(value * 1e6))
        elif isinstance(value, float):
            self.add("constant", start, stop, {0.0: "1.0", 1.0: "0.5"}.get(value, repr(value * 2.0)))
        elif isinstance(value, int):
            self.add("constant", start, stop, {0: "1", 1: "2"}.get(value, str(value // 2)))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        # annotations and decorators tell, they do not compute
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Leave messages alone."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave messages alone."""


def _called(node: ast.Call) -> str:
    """Return the last part of the name of what is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _aliases(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of a module but for those that only name types."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Subscript):
            continue
        yield statement


def edits(root: Path, path: str) -> list[Edit]:
    """Return every edit of one file, in order; whether its text still parses is for `parses` to say."""
    source = (root / path).read_bytes()
    finder = Sites(path, source)
    for statement in _aliases(ast.parse(source)):
        finder.visit(statement)
    return sorted(edit for edit in set(finder.found) if edit.new != edit.old)


def parses(source: bytes) -> bool:
    """Return whether a source is Python."""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True
