"""The mistakes that the mutation campaign plants: found where they matter, each one small, drawn by seed."""

from __future__ import annotations

import ast

import pytest

from tests.campaign.edits import edits
from tests.campaign.mutation import drawn, stages, targets

SOURCE = '''"""A docstring with 1.0 < 2.0 and x[i, j]."""
TINY = 1e-9


def f(x: list[float], i: int, j: int, most: float = 1.0) -> float:
    """Say a[i] + 1.0."""
    if i < 0:
        raise ValueError(f"{i + 1} is below {0 - 1}")
    y = min(most, x[i, j] * -x[j] + 3.0)
    y /= 2
    return max(0.0, y)
'''


@pytest.fixture
def found(tmp_path):
    (tmp_path / "m.py").write_text(SOURCE)
    return edits(tmp_path, "m.py")


def test_every_kind_is_found_in_its_place(found):
    made = {(edit.line, edit.kind, edit.old, edit.new) for edit in found}
    assert {
        (2, "tolerance", "1e-9", "0.001"),
        (5, "constant", "1.0", "0.5"),
        (7, "comparison", "<", "<="),
        (7, "comparison", "<", ">"),
        (7, "constant", "0", "1"),
        (9, "cap", "min", "max"),
        (9, "cap", "min(most, x[i, j] * -x[j] + 3.0)", "(most)"),
        (9, "index", "i, j", "j, i"),
        (9, "index", "j", "j - 1"),
        (9, "sign", "+", "-"),
        (9, "sign", "-", ""),
        (9, "product", "*", "/"),
        (9, "constant", "3.0", "6.0"),
        (10, "product", "/=", "*="),
        (11, "cap", "max", "min"),
        (11, "constant", "0.0", "1.0"),
    } <= made
    # text, types and messages are left alone
    assert not [edit for edit in found if edit.line in (1, 6, 8)]


def test_every_edit_changes_one_place_and_still_parses(found):
    source = SOURCE.encode()
    for edit in found:
        changed = edit.apply(source)
        assert changed != source
        ast.parse(changed)
        assert edit.diff(source).count("\n") == 1
        with pytest.raises(ValueError, match="changed"):
            edit.apply(b"\n" + source)


def test_draws_are_repeatable_and_cover_every_kind(tmp_path):
    (tmp_path / "sim/kernels").mkdir(parents=True)
    (tmp_path / "sim/kernels/m.py").write_text(SOURCE)
    one, two = drawn(tmp_path, None, 12, 1), drawn(tmp_path, None, 12, 1)
    assert one == two
    assert len(set(one)) == 12
    assert one != drawn(tmp_path, None, 12, 2)
    assert {edit.kind for edit in one} >= {"sign", "product", "comparison", "index", "cap", "constant"}
    assert len(drawn(tmp_path, None, 1000, 1)) == len(edits(tmp_path, "sim/kernels/m.py"))


def test_targets_and_their_tests(root):
    paths = targets(root, None)
    assert "sim/kernels/pull.py" in paths
    assert "sim/contagion/solve.py" in paths
    assert not [path for path in paths if path.endswith(("philox.py", "special.py", "jit.py", "__init__.py"))]
    assert targets(root, "contagion/clear.py") == ["sim/contagion/clear.py"]
    groups = stages(root, "sim/contagion/clear.py")
    assert groups[0][0] == "tests/contagion/test_clear.py"
    together = [name for group in groups for name in group]
    assert len(together) == len(set(together))
    assert "tests/campaign/test_slice.py" in together
