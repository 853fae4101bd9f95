"""The campaign of forgotten legs finds every posting, and only those."""

from __future__ import annotations

from tests.campaign.legs import every_posting, postings
from tests.campaign.mutation import ROOT

SOURCE = """
class Ledger:
    def _write(self, stock, rows, amount):
        stock[rows] += amount

    def pay(self, amount):
        self._change("cash", 0, amount)
        self._lose(
            "credit", 0, amount
        )
        total = self._sum(amount)


def act(step, ledger, amount):
    step.ledger.pay(amount)
    pay_or_owe(amount)
    if amount:
        ledger.settle("repo", amount)
    step.pay(amount)
"""


def test_postings_are_statements_that_write_to_the_books(tmp_path):
    (tmp_path / "sim" / "ledger").mkdir(parents=True)
    (tmp_path / "sim" / "ledger" / "m.py").write_text(SOURCE)
    found = postings(tmp_path, "sim/ledger/m.py")
    assert [(edit.kind, edit.line) for edit in found] == [
        *(("leg", 4), ("leg", 7), ("leg", 8)),
        *(("entry", 15), ("entry", 16), ("entry", 18)),
    ]
    left = found[2].apply(SOURCE.encode()).decode()
    assert "        pass\n        total" in left


def test_all_entries_are_among_them():
    paths = {edit.path for edit in every_posting(ROOT)}
    assert {"sim/ledger/entries.py", "sim/channels/settlement.py", "sim/shocks/asset_loss.py"} <= paths
    assert not [path for path in paths if path.endswith(("audit.py", "trace.py"))]


def test_legs_that_a_kernel_writes_are_among_them():
    found = [edit.old for edit in every_posting(ROOT, "kernels/holdings.py")]
    assert len(found) == 5
    assert "units_out[i, asset, lane] -= pieces" in found
    assert "loss_out[i, lane] -= gain" in found
