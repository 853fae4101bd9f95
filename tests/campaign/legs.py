"""The campaign of forgotten legs: leave out every posting in turn, and see that the tests notice.

``python -m tests.campaign.legs [--only FILE] [--part K/N] [--list]``

A posting is a statement that calls an entry of the ledger (`pay`, `settle`, `destroy`, ...), or, inside the ledger, a
leg of an entry (`_write`, `_address`, `_lose`, what they are put together to, and what a kernel writes). Each is
replaced by `pass` in a copy of the repository in a temporary folder. The tests that name the module run first, then
those of the modules that import it, then all others of `TESTS`; a failure, a crash or a run over its time counts as
caught.

About half a minute a posting; a survivor costs a run of all these tests, some minutes.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tempfile
import time
from pathlib import Path

from tests.campaign.edits import Edit
from tests.campaign.mutation import ROOT, Copy, Verdict, shown, stages, summary

FOLDERS = ("sim/ledger", "sim/channels", "sim/shocks", "sim/agents")
KERNELS = "sim/kernels/holdings.py"
"""Where an entry that goes over all assets writes its legs."""
LEFT_ALONE = ("audit", "trace", "watched", "ends", "balance")
"""Files of the ledger that post nothing."""
INSIDE = ("sim/ledger", KERNELS)
WRITTEN = {"self.books[instrument][rows]", "stock[rows]"}
WRITTEN_BY_KERNELS = {"units_out[i, asset, lane]", "books_out[i, lane]", "loss_out[i, lane]"}
LEGS = {"_change", "_address", "_write", "_lose", "_pay", "_worth", "_pass_on", "_move"}
ENTRIES = {
    *("create", "settle", "transfer", "transfer_units", "destroy", "revalue_price", "revalue_worth"),
    *("settle_claims", "roll", "pay", "fund_investors", "pay_or_owe"),
}
TESTS = ("tests/ledger", "tests/channels", "tests/shocks")
LAWS = ("tests/test_mixed_laws.py", "tests/test_laws.py", "tests/test_signatures.py")
LIMIT = 900.0
"""Seconds that one call of the tests may take."""


def _posts(node: ast.stmt, inside: bool) -> str:
    """Return what kind of posting a statement is, empty if none."""
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript):
        return "leg" if ast.unparse(node.target) in WRITTEN | (WRITTEN_BY_KERNELS if inside else set()) else ""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return ""
    called = node.value.func
    if not isinstance(called, ast.Attribute):
        return "entry" if ast.unparse(called) in ENTRIES else ""
    owner = ast.unparse(called.value)
    if owner == "self" and inside:
        return "leg" if called.attr in LEGS else "entry" if called.attr in ENTRIES else ""
    return "entry" if called.attr in ENTRIES and owner.split(".")[-1] == "ledger" else ""


def postings(root: Path, path: str) -> list[Edit]:
    """Return the deletion of every posting of one file."""
    source = (root / path).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and (kind := _posts(node, path.startswith(INSIDE))):
            start = starts[node.lineno - 1] + node.col_offset
            stop = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
            found.append(Edit(path, start, stop, kind, source[start:stop].decode(), "pass", node.lineno))
    return sorted(found, key=lambda edit: edit.line)


def every_posting(root: Path, only: str | None = None) -> list[Edit]:
    """Return the deletion of every posting of the ledger, the channels, the shocks and the agents."""
    files = [p for folder in FOLDERS for p in sorted((root / folder).rglob("*.py")) if p.stem not in LEFT_ALONE]
    names = [*(str(path.relative_to(root)) for path in files), KERNELS]
    return [edit for name in names if only is None or name.endswith(only) for edit in postings(root, name)]


def judged(copy: Copy, edit: Edit) -> Verdict:
    """Leave one posting out in the copy, see what notices, put it back."""
    among = [
        str(p.relative_to(copy.repository)) for t in TESTS for p in sorted((copy.repository / t).glob("test_*.py"))
    ]
    place = copy.repository / edit.path
    source, began, by = place.read_bytes(), time.monotonic(), ""
    place.write_bytes(edit.apply(source))
    try:
        for group in stages(copy.repository, edit.path, [*among, *LAWS]):
            ran = copy.pytest(group, LIMIT, jit=True, first=True, leave=[])
            if ran.code not in (0, 5):
                by = ran.failed[0] if ran.failed else f"exit code {ran.code}"
                break
    finally:
        place.write_bytes(source)
    return Verdict(edit, bool(by), by, time.monotonic() - began, edit.diff(source))


def main() -> int:
    """Run the campaign as asked on the command line."""
    parser = argparse.ArgumentParser(description="Leave out every posting in turn; see that the tests notice.")
    parser.add_argument("--only", help="only files whose path ends like this")
    parser.add_argument("--part", default="1/1", help="the K-th of N parts, such as 2/4")
    parser.add_argument("--list", action="store_true", help="show the postings and stop")
    given = parser.parse_args()
    number, parts = (int(word) for word in given.part.split("/"))
    chosen = every_posting(ROOT, given.only)[number - 1 :: parts]
    if given.list:
        for edit in chosen:
            print(f"{edit.kind:6s}{edit.path}:{edit.line}  {' '.join(edit.old.split())}")
        return 0
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="legs-") as place:
        copy = Copy(Path(place).resolve())
        copy.make()
        for edit in chosen:
            verdicts.append(judged(copy, edit))
            print(shown(verdicts[-1]), flush=True)
    print(summary(verdicts))
    return 0 if all(verdict.caught for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
