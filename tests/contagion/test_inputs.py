"""What the arguments of an algorithm may look like: faults listed, lanes laid out and given back."""

from __future__ import annotations

import numpy as np
import pytest

from sim.contagion.inputs import Inputs
from sim.errors import InputError


@pytest.mark.parametrize(("faulty", "listed", "more"), [(1, 1, 0), (5, 5, 0), (6, 5, 1), (9, 5, 4)])
def test_five_faults_of_one_argument_are_described(faulty: int, listed: int, more: int) -> None:
    inputs = Inputs()
    inputs.numbers("equity", [-1.0] * faulty + [1.0], faulty + 1, low=0.0)
    with pytest.raises(InputError) as error:
        inputs.check()
    messages = [problem.message for problem in error.value.problems]
    assert messages[:listed] == [f"equity[{k}] is -1; allowed: 0 or more" for k in range(listed)]
    assert messages[listed:] == ([f"equity has {more} more such values; allowed: 0 or more"] if more else [])


@pytest.mark.parametrize(
    ("low", "high", "above", "given", "allowed"),
    [
        (-np.inf, np.inf, False, np.nan, "finite numbers"),
        (0.0, np.inf, False, -0.5, "0 or more"),
        (0.0, np.inf, True, 0.0, "more than 0"),
        (-np.inf, 2.0, False, 3.0, "2 or less"),
        (0.0, 1.0, False, 1.5, "0 to 1"),
        (0.0, 1.0, True, 0.0, "above 0 to 1"),
    ],
)
def test_the_range_is_said_in_words(low: float, high: float, above: bool, given: float, allowed: str) -> None:
    for name, wrong in (("share", given), ("shares", [given])):
        inputs = Inputs()
        inputs.numbers(name, wrong, 1, low=low, high=high, above=above)
        place = f"{name} is {given:g}" if name == "share" else f"{name}[0] is {given:g}"
        assert [problem.message for problem in inputs.problems] == [f"{place}; allowed: {allowed}"]


def test_the_ends_of_a_range_are_inside() -> None:
    inputs = Inputs()
    inputs.numbers("share", [0.0, 1.0], 2, low=0.0, high=1.0)
    inputs.number("tol", 0.0, low=0.0)
    inputs.check()


def test_lanes_are_padded_repeated_and_taken_off_again() -> None:
    one = Inputs()
    vector = one.numbers("x", [1.0, 2.0], 2)
    assert one.lanes is None
    laid = one.block(vector)
    assert laid.shape == (2, one.width)
    assert (laid == np.array([[1.0], [2.0]])).all()
    assert one.give(laid).tolist() == [1.0, 2.0]
    assert one.give(laid[0]) == 1.0
    assert isinstance(one.give(laid[0]), float)
    three = Inputs()
    block = three.numbers("x", [[1.0, 2.0, 3.0]], 1)
    laid = three.block(block)
    assert laid.shape[1] == three.width >= 3
    assert laid[0, :3].tolist() == [1.0, 2.0, 3.0]
    assert (laid[0, 3:] == 1.0).all()
    assert three.give(laid).tolist() == [[1.0, 2.0, 3.0]]


def test_blocks_of_one_call_have_one_width() -> None:
    inputs = Inputs()
    inputs.numbers("x", np.zeros((2, 3)), 2)
    inputs.numbers("y", np.zeros((2, 4)), 2)
    inputs.numbers("z", np.zeros((2, 0)), 2)
    assert [problem.message for problem in inputs.problems] == [
        "y has 4 draws and x has 3; allowed: the same number",
        "z has 0 draws; allowed: at least one column",
    ]
