"""`sim new`: a commented file that validates, runs, and plays exactly what its base does; never overwrites."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.cli.app import main
from sim.experiments.monte_carlo import run
from sim.scenario.load import load, shipped, shipped_folder
from sim.scenario.starter import starter, value
from sim.scenario.strict import read_mapping

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sim(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def played(name: str) -> dict:
    return {key: each for key, each in load(name).plain().items() if key not in {"name", "title"}}


@pytest.mark.parametrize("base", sorted(shipped()))
def test_new_file_plays_what_its_base_does(sim: Call, base: str) -> None:
    code, out, err = sim("new", "mine", "--from", base)
    assert (code, out) == (0, "mine.yaml\n")
    command = "run" if load(base).ramp is None else "ramp"
    assert err == f"next: sim validate mine.yaml; sim {command} mine.yaml --draws 200\n"
    assert played("mine.yaml") == played(base)
    assert load("mine.yaml").name == "mine"
    assert sim("validate", "mine.yaml")[0] == 0
    assert max(map(len, Path("mine.yaml").read_text().splitlines())) <= 160


def test_new_file_runs_and_gives_the_numbers_of_its_base(sim: Call) -> None:
    assert sim("new", "mine", "--from", "ring_of_ten")[0] == 0
    first, second = run("mine.yaml", draws=2, seed=1), run("ring_of_ten", draws=2, seed=1)
    assert first.summary().equals(second.summary())


def test_new_file_says_meaning_and_range(sim: Call) -> None:
    assert sim("new", "mine")[0] == 0
    text = Path("mine.yaml").read_text()
    assert "# ordered to fail). [number in [0, 1]]" in text
    assert "recovery_rate: 0.4" in text  # active: the base changes it
    assert "    # alpha: 1.0" in text  # in a comment: at its default
    assert "yaml-language-server: $schema=./scenario.schema.json" in text


def test_a_comment_taken_away_is_a_key_that_works(sim: Call) -> None:
    assert sim("new", "mine")[0] == 0
    text = Path("mine.yaml").read_text().replace("    # alpha: 1.0", "    alpha: 0.5")
    Path("mine.yaml").write_text(text)
    assert load("mine.yaml").plain()["channels"]["credit"]["alpha"] == 0.5


def test_own_tables_instead_of_the_base(sim: Call) -> None:
    assert sim("new", "mine", "--from", "ring_of_ten")[0] == 0
    lines = Path("mine.yaml").read_text().splitlines()
    at = lines.index("# system:")
    own = [line.removeprefix("# ") for line in lines[at : at + 4]]
    rest = [line for line in lines if not line.startswith("base:")]
    Path("mine.yaml").write_text("\n".join([*rest, *own]) + "\n")
    for name in ("banks.csv", "exposures.csv"):
        Path(name).write_bytes((shipped_folder() / "ring_of_ten" / name).read_bytes())
    code, out, _ = sim("validate", "mine.yaml")
    assert (code, out) == (0, "mine.yaml: ok, 10 banks\n")


def test_new_on_top_of_a_file_beside_it(sim: Call) -> None:
    assert sim("new", "one", "--from", "ring_of_ten")[0] == 0
    assert sim("new", "two", "--from", "one.yaml")[0] == 0
    assert load("two.yaml").base == "one.yaml"
    assert played("two.yaml") == played("ring_of_ten")
    Path("below").mkdir()
    code, out, err = sim("new", "below/three", "--from", "one.yaml")
    assert (code, out) == (2, "")
    assert "a base lies beside the file that builds on it" in err
    assert sim("new", "below/three", "--from", "eu48")[0] == 0


def test_nothing_is_overwritten(sim: Call) -> None:
    Path("mine.yaml").write_text("precious")
    Path("link.yaml").symlink_to("nowhere")
    for name in ("mine", "mine.yaml", "link"):
        code, out, err = sim("new", name)
        assert (code, out) == (2, "")
        assert "is there already" in err
    assert Path("mine.yaml").read_text() == "precious"
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 2, "new needs a name"),
        (("a b",), 2, "a scenario's name has letters"),
        (("<script>",), 2, "a scenario's name has letters"),
        (("",), 2, "a scenario's name has letters"),
        ((".hidden",), 2, "a scenario's name has letters"),
        (("no/such/mine",), 2, "no/such: no such folder"),
        (("eu48",), 2, "a shipped scenario has this name"),
        (("mine", "--from", "eu84"), 3, "did you mean 'eu48'?"),
        (("mine", "--form", "eu48"), 2, "unknown option --form"),
    ],
)
def test_bad_calls(sim: Call, args: tuple[str, ...], code: int, said: str) -> None:
    got, out, err = sim("new", *args)
    assert (got, out) == (code, "")
    assert said in err
    assert list(Path().iterdir()) == []


def test_hidden_shipped_base_is_refused(sim: Call) -> None:
    Path("eu48.yaml").write_text("version: 1\nname: eu48\nbase: ring_of_ten\n")
    code, _, err = sim("new", "mine", "--from", "eu48")
    # a bare name is a file where one is called so: nothing of that name is, so the shipped one is meant
    assert code == 2
    assert "hides the shipped scenario" in err


# a scenario holds no control characters and no halves of surrogate pairs
WRITTEN = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=12)


@settings(max_examples=60)
@given(
    st.recursive(
        WRITTEN | st.integers(-(10**9), 10**9) | st.booleans() | st.floats(-1e9, 1e9, width=32),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WRITTEN.filter(bool), inner, max_size=4),
        max_leaves=12,
    )
)
def test_values_survive_yaml(tmp_path_factory: pytest.TempPathFactory, said: object) -> None:
    path = tmp_path_factory.mktemp("v") / "v.yaml"
    path.write_text(f"x: {value(said)}\n", encoding="utf-8")
    found = read_mapping(path).data["x"]
    assert found == (said["fixed"] if isinstance(said, dict) and set(said) == {"fixed"} else said)


def test_starter_of_a_scenario_with_a_difficult_name() -> None:
    text = starter("no", "eu48", load("eu48").model_copy(update={"name": "<b>'\"\n# x: 1"}))
    assert 'name: "no"' in text
    assert "# x: 1" not in text.splitlines()
