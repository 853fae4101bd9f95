"""The strict loader: what it refuses with which message and line, and what it must accept."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.scenario.node import MAX_NODES
from sim.scenario.strict import Node, dotted, read_mapping, read_text, read_value

SCENARIO = """version: 1
name: base
seed: 12345
system:
  agents: banks.csv
  currency: EUR million
model:
  clearing: eisenberg_noe
  recovery: 0.4
  tolerance: 1.0e-10
shocks:
  - kind: external_assets
    target: all
    size: 0.05
"""


def changed(old: str, new: str) -> str:
    assert old in SCENARIO
    return SCENARIO.replace(old, new, 1)


BOMB = "a: &a [x,x,x]\n" + "".join(
    f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)

# name -> (file name, content, message with {p} for the path)
REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "S01 empty file": ("s.yaml", "", "{p}: file is empty; a scenario starts with a line such as version: 1"),
    "S02 only a comment": ("s.yaml", "# todo\n", "{p}: file is empty; a scenario starts with"),
    "S03 a list": ("s.yaml", "- a\n- b\n", "{p}:1: expected a mapping at top level, got a list"),
    "S03 a value": ("s.yaml", "a\n", "{p}:1: expected a mapping at top level, got a single value"),
    "S04 two documents": (
        "s.yaml",
        "version: 1\n---\nversion: 1\n",
        "{p}:2: one document expected, found a second one",
    ),
    "S04 after an end": ("s.yaml", "version: 1\n...\nx\n", "{p}:3: one document expected, found a second one"),
    "S05 python tag": (
        "s.yaml",
        '!!python/object/apply:os.system ["touch PWNED"]\n',
        "{p}:1: tag !!python/object/apply:os.system is not allowed; scenario files hold data only",
    ),
    "S06 custom tag": ("s.yaml", "network: !include /etc/passwd\n", "{p}:1: tag !include is not allowed"),
    "S06 core tag": ("s.yaml", 'a: 1\nb: !!float "2"\n', "{p}:2: tag !!float is not allowed"),
    "S06 bare tag": ("s.yaml", "a: ! x\n", "{p}:1: tag ! is not allowed"),
    "S07 alias bomb": ("s.yaml", BOMB, "{p}:1: anchors and aliases are not allowed"),
    "S08 loop of aliases": ("s.yaml", "shocks: &a [*a]\n", "{p}:1: anchors and aliases are not allowed"),
    "S08 anchored key": ("s.yaml", "&a b: 1\n", "{p}:1: anchors and aliases are not allowed"),
    "S09 depth": ("s.yaml", "[" * 20_000 + "]" * 20_000, "{p}:1: nested deeper than 32 levels"),
    "S09 depth of mappings": ("s.yaml", "{a: " * 20_000, "{p}:1: nested deeper than 32 levels"),
    "S09 depth of blocks": ("s.yaml", "- " * 20_000, "{p}:1: nested deeper than 32 levels"),
    "S09 depth in JSON": ("s.json", "[" * 20_000 + "]" * 20_000, "{p}:1: nested deeper than 32 levels"),
    "S11 tab": ("s.yaml", "network:\n\tbanks: banks.csv\n", "{p}:2: tab used for indentation; use spaces"),
    "S11 tab between": ("s.yaml", "a:\t1\n", "{p}:1: tab used between values; use spaces"),
    "S12 UTF-16": ("s.yaml", SCENARIO.encode("utf-16"), "{p}: not UTF-8 (looks like UTF-16); save as UTF-8"),
    "S12 without mark": ("s.yaml", SCENARIO.encode("utf-16-le"), "{p}: not UTF-8 (looks like UTF-16)"),
    "S12 big end": ("s.yaml", SCENARIO.encode("utf-16-be"), "{p}: not UTF-8 (looks like UTF-16)"),
    "S12 UTF-32": ("s.yaml", SCENARIO.encode("utf-32"), "{p}: not UTF-8 (looks like UTF-16)"),
    "S13 binary": ("s.yaml", bytes(range(256)) * 4, "{p}: not a text file"),
    "S13 Latin-1": ("s.yaml", b"a: 1\nb: Cr\xe9dit\n", "{p}:2: byte 0xe9 is not UTF-8; is the file Latin-1?"),
    "S13 escape": ("s.yaml", b"a: 1\nb: \x1b[31m\n", '{p}:2: control character "\\x1b" is not allowed'),
    "S14 duplicate key": (
        "s.yaml",
        changed("seed: 12345\n", "seed: 12345\nseed: 1\n"),
        '{p}:4: key "seed" given twice (first at line 3)',
    ),
    "S15 duplicate key in a block": (
        "s.yaml",
        changed("  recovery: 0.4\n", "  recovery: 0.4\n  recovery: 0.9\n"),
        '{p}:10: key "model.recovery" given twice (first at line 9)',
    ),
    "S15 in a list": ("s.yaml", "a:\n- {x: 1, x: 1}\n", '{p}:2: key "a.0.x" given twice (first at line 2)'),
    "S15 quoted differently": ("s.yaml", 'a: 1\n"a": 2\n', '{p}:2: key "a" given twice (first at line 1)'),
    "S31 octal": (
        "s.yaml",
        changed("seed: 12345", "seed: 010"),
        '{p}:3: seed written as 010 would mean 8; write 8 or 10, or "010" for text',
    ),
    "S31 leading zero": ("s.yaml", "a: -089\n", "{p}:1: a written as -089 has a leading zero; write 89"),
    "S32 sexagesimal": (
        "s.yaml",
        changed("size: 0.05", "size: 1:30"),
        "{p}:14: shocks.0.size written as 1:30 would mean 90; write a plain number",
    ),
    "S32 with seconds": ("s.yaml", "a: 1:30:05.5\n", "{p}:1: a written as 1:30:05.5 would be read in base 60"),
    "S54 NaN": (
        "s.json",
        '{"version": 1, "model": {"recovery": NaN}}',
        "{p}:1: NaN is not a JSON number",
    ),
    "S54 infinity": ("s.json", '{"a":\n -Infinity}', "{p}:2: -Infinity is not a JSON number"),
    "S55 duplicate": (
        "s.json",
        '{"version": 1,\n "version": 2}',
        '{p}:2: key "version" given twice (first at line 1)',
    ),
    "S55 escaped": ("s.json", '{"a": 1, "\\u0061": 2}', '{p}:1: key "a" given twice'),
    "S56 overflow": ("s.json", '{"model": {"recovery": 1e999}}', "{p}:1: model.recovery: number out of range: 1e999"),
    "S56 in YAML": ("s.yaml", "a: -1e999\n", "{p}:1: a: number out of range: -1e999"),
    "S57 5,000 digits": ("s.json", '{"seed": ' + "1" * 5000 + "}", "{p}:1: seed: number out of range: 1111111"),
    "S57 in YAML": ("s.yaml", "seed: " + "1" * 5000, "{p}:1: seed: number out of range: 1111111"),
    "S57 hexadecimal": ("s.yaml", "seed: 0x" + "f" * 5000, "{p}:1: seed: number out of range: 0xfffff"),
    "merge key": ("s.yaml", "a: {x: 1}\nb:\n  <<: {y: 2}\n", "{p}:3: merge keys (<<) are not allowed"),
    "list as key": ("s.yaml", "a: 1\n? [1, 2]\n: 3\n", "{p}:2: a key must be plain text"),
    "empty key": ("s.yaml", "a: 1\n: 3\n", "{p}:2: a key is empty"),
    "YAML 1.1": (
        "s.yaml",
        "%YAML 1.1\n---\na: no\n",
        "{p}:1: directives are not allowed; the file is read as YAML 1.2",
    ),
    "tag directive": ("s.yaml", "%TAG ! tag:x,2000:\n---\na: 1\n", "{p}:1: directives are not allowed"),
    "colon in text": ("s.yaml", "a: 1\nb: c: d\n", "{p}:2: not valid YAML: mapping values are not allowed here; quote"),
    "open quote": ("s.yaml", 'a: 1\nb: "c\n\n\n', "{p}:2: quote opened here is never closed"),
    "open list": ("s.yaml", "a: [1,\n", "{p}:2: not valid YAML"),
    "half a surrogate": ("s.yaml", 'a: "\\ud800"\n', "{p}:1: a holds half of a surrogate pair, which is no text"),
    "no such letter": ("s.yaml", 'a: "\\U00110000"\n', "{p}: not valid YAML"),
    "JSON comma at the end": ("s.json", '{"a": 1,\n}', "{p}:2: expected a key in double quotes"),
    "JSON open text": ("s.json", '{"a": "x', "{p}:1: text is never closed"),
    "JSON end": ("s.json", '{"a":', "{p}:1: expected a value, got the end of the file"),
    "JSON leading zero": ("s.json", '{"a": 01}', '{p}:1: "01" is not JSON'),
    "JSON word": ("s.json", '{"a": yes}', '{p}:1: "yes" is not JSON; text needs double quotes'),
    "JSON no colon": ("s.json", '{"a" 1}', '{p}:1: expected ":" after the key "a"'),
    "JSON no comma": ("s.json", '{"a": [1 2]}', '{p}:1: expected "," or "]" in a list'),
    "JSON no comma in a mapping": ("s.json", '{"a": 1 "b": 2}', '{p}:1: expected "," or "}" in a mapping'),
    "JSON odd mark": ("s.json", '{"a": }', '{p}:1: expected a value, got "}"'),
    "JSON rest": ("s.json", '{"a": 1}\n{"a": 1}', "{p}:2: something follows the end of the JSON value"),
    "JSON half a surrogate": ("s.json", '{"a": "\\ud800"}', "{p}:1: a holds half of a surrogate pair"),
    "JSON list": ("s.json", "\n[1]", "{p}:2: expected a mapping at top level, got a list"),
    "JSON empty": ("s.json", " \n", "{p}: file is empty"),
}

# name -> (file name, content, key, value, line)
ACCEPTED: dict[str, tuple[str, str | bytes, tuple[str | int, ...], object, int]] = {
    "S27 exponent without point": ("s.yaml", changed("1.0e-10", "1e-10"), ("model", "tolerance"), 1e-10, 10),
    "S28 no is text": ("s.yaml", changed("eisenberg_noe", "no"), ("model", "clearing"), "no", 8),
    "S34 large seed": ("s.yaml", changed("12345", "9" * 60), ("seed",), int("9" * 60), 3),
    "S44 empty list": ("s.yaml", "a: []\n", ("a",), [], 1),
    "S51 template": ("s.yaml", 'n: "{{ 7*7 }}{__import__}"\n', ("n",), "{{ 7*7 }}{__import__}", 1),
    "S52 escapes in quotes": ("s.yaml", 'n: "a\\x1b[31mb\\x00"\n', ("n",), "a\x1b[31mb\x00", 1),
    "S53 long text": ("s.yaml", "n: " + "x" * 100_000, ("n",), "x" * 100_000, 1),
    "yes": ("s.yaml", "a: yes\n", ("a",), "yes", 1),
    "on": ("s.yaml", "a: [on, Off, y, N]\n", ("a",), ["on", "Off", "y", "N"], 1),
    "booleans": ("s.yaml", "a: [true, False, TRUE]\n", ("a",), [True, False, True], 1),
    "nulls": ("s.yaml", "a: [null, ~, Null, '', ]\n", ("a",), [None, None, None, ""], 1),
    "empty value": ("s.yaml", "a:\nb: 1\n", ("a",), None, 1),
    "integers": ("s.yaml", "a: [0, -0, +7, 0x1F, 0o17, 0xff]\n", ("a",), [0, 0, 7, 31, 15, 255], 1),
    "floats": ("s.yaml", "a: [.5, 1., 1e3, -2.5E-3, +.5]\n", ("a",), [0.5, 1.0, 1000.0, -0.0025, 0.5], 1),
    "infinities": ("s.yaml", "a: [.inf, -.INF, +.Inf]\n", ("a",), [math.inf, -math.inf, math.inf], 1),
    "only like numbers": (
        "s.yaml",
        "a: [1_000, 1e, 0x, 0o8, 1.2.3, 2020-01-01, -, ., +.inf.]\n",
        ("a",),
        ["1_000", "1e", "0x", "0o8", "1.2.3", "2020-01-01", "-", ".", "+.inf."],
        1,
    ),
    "quoted numbers": ("s.yaml", "a: ['010', \"1:30\", '1']\n", ("a",), ["010", "1:30", "1"], 1),
    "keys are text": ("s.yaml", "a: {no: 1, 010: 2, 1e5: 3, null: 4}\n", ("a", "010"), 2, 1),
    "merge sign as text": ("s.yaml", 'a: {"<<": 1}\n', ("a", "<<"), 1, 1),
    "document start": ("s.yaml", "# c\n---\na: 1\n", ("a",), 1, 3),
    "YAML 1.2": ("s.yaml", "%YAML 1.2\n---\na: 1\n", ("a",), 1, 3),
    "document end": ("s.yaml", "a: 1\n...\n", ("a",), 1, 1),
    "mark": ("s.yaml", b"\xef\xbb\xbfa: 1\n", ("a",), 1, 1),
    "Windows line ends": ("s.yaml", b"a: 1\r\nb:\r\n  c: 2\r\n", ("b", "c"), 2, 3),
    "Mac line ends": ("s.yaml", b"a: 1\rb: 2\r", ("b",), 2, 2),
    "block text": ("s.yaml", "a: |\n  x\n  y\nb: 1\n", ("a",), "x\ny\n", 1),
    "tab in text": ("s.yaml", 'a: "x\ty"\n', ("a",), "x\ty", 1),
    "other letters": ("s.yaml", "a: Crédit \U0001f600 北京\n", ("a",), "Crédit \U0001f600 北京", 1),
    "JSON in YAML": ("s.yaml", '{"a": {"b": [1, 2.5, null]}}', ("a", "b"), [1, 2.5, None], 1),
    "32 levels": ("s.yaml", "a: " + "[" * 31 + "]" * 31, ("a", *[0] * 30), [], 1),
    "JSON": ("s.json", '{"a":\n {"b": [1,\n 2.5e0, true, null]}}', ("a", "b", 1), 2.5, 3),
    "JSON pair": ("s.json", '{"a": "\\ud83d\\ude00"}', ("a",), "\U0001f600", 1),
    "JSON empty": ("s.json", '{"a": {}, "b": []}', ("b",), [], 1),
    "JSON Windows line ends": ("s.json", b'{\r\n"a": -0}', ("a",), 0, 2),
}


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def at(node: Node, path: tuple[str | int, ...]) -> object:
    value: object = node.data
    for part in path:
        value = value[part]  # type: ignore[index]
    return value


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_line_and_remedy(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name, content, message = REFUSED[case]
    written(tmp_path, name, content)
    with pytest.raises(InputError) as caught:
        read_mapping(Path(name))
    assert message.replace("{p}", name) in str(caught.value)
    assert all(problem.path == name for problem in caught.value.problems)
    assert str(caught.value).replace("\n", "").isprintable()
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted_with_value_and_line(case: str, tmp_path: Path) -> None:
    name, content, path, value, line = ACCEPTED[case]
    node = read_mapping(written(tmp_path, name, content))
    found = at(node, path)
    assert found == value
    assert type(found) is type(value)
    assert node.lines[path[:-1] if path not in node.lines else path] == line


def test_nan_is_a_float_for_the_schema_to_refuse() -> None:
    value = read_text("a:\n  b: .nan\n").data["a"]
    assert isinstance(value, dict)
    assert math.isnan(value["b"])


def test_every_key_has_its_line() -> None:
    node = read_text(SCENARIO)
    assert node.lines[()] == 1
    assert node.lines[("model",)] == 7
    assert node.lines[("model", "recovery")] == 9
    assert node.lines[("shocks", 0)] == 12
    assert node.lines[("shocks", 0, "size")] == 14
    assert dotted(("shocks", 0, "size")) == "shocks.0.size"


def test_all_problems_at_once_in_the_order_of_the_file() -> None:
    text = "a: &x 1\nb: 010\nb: 1\nc: !t y\nd: 1:30\ne: 1e999\nf: [1\n"
    with pytest.raises(InputError) as caught:
        read_text(text, "s.yaml")
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 4, 5, 6, 8]
    assert caught.value.problems[1].key == "b"


def test_tabs_are_all_named() -> None:
    with pytest.raises(InputError) as caught:
        read_text("a:\n\tb: 1\n\tc: 2\n")
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_large_file_is_refused_by_its_size_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    start = time.perf_counter()
    with pytest.raises(InputError, match="200 MB is over the limit of 1 MB for a scenario file"):
        read_mapping(path)
    assert time.perf_counter() - start < 0.5


def test_pipe_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    os.mkfifo(path)
    with pytest.raises(InputError, match="not a regular file"):
        read_mapping(path)


def test_folder_device_and_missing_file(tmp_path: Path) -> None:
    (tmp_path / "outage.yaml").write_text("a: 1")
    with pytest.raises(InputError, match="is a folder; give a file"):
        read_mapping(tmp_path)
    with pytest.raises(InputError, match="not a regular file"):
        read_mapping(Path("/dev/zero"))
    with pytest.raises(InputError, match=r'no such file; did you mean "outage.yaml"\?'):
        read_mapping(tmp_path / "outgae.yaml")
    with pytest.raises(InputError, match="no such file"):
        read_mapping(tmp_path / "a\0b")
    with pytest.raises(InputError, match="cannot be read: File name too long"):
        read_mapping(tmp_path / ("x" * 300))


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "s.yaml"
    path.write_text("a: 1")
    monkeypatch.setattr(os, "open", deny)  # the superuser, who runs many containers, may read every file
    with pytest.raises(InputError, match="permission denied"):
        read_mapping(path)


@pytest.mark.parametrize(
    "text",
    [
        "x: [" + "a, " * 300_000 + "]",
        "\n".join(f"k{i}: 1" for i in range(90_000)),
    ],
)
def test_too_many_values(text: str) -> None:
    with pytest.raises(InputError, match=rf"more than {MAX_NODES:,} values; put tables into CSV files"):
        read_text(text)


@pytest.mark.parametrize(
    "pieces",
    ["[", "{", "{?", "? ", "&a ", "!a ", "*a ", '"', "'", "- -\n", "a: |\n", "a: 1:3:3", '"a":', "%TAG ! a\n", "#\n"],
)
def test_hostile_text_takes_linear_time(pieces: str) -> None:
    start = time.perf_counter()
    for is_json in (False, True):
        try:
            read_text(pieces * (500_000 // len(pieces)), is_json=is_json)
        except InputError:
            continue
    assert time.perf_counter() - start < 20.0


def test_long_keys_and_control_characters_do_not_reach_the_terminal() -> None:
    with pytest.raises(InputError) as caught:
        read_text('"\\x1b[31m' + "k" * 100_000 + '": 010\n')
    assert len(str(caught.value)) < 250
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.4", 0.4), ("[1, 2]", [1, 2]), ("{a: 1}", {"a": 1}), ("", None), ("no", "no"), ("1e-3", 0.001), ("a b", "a b")],
)
def test_one_value(text: str, value: object) -> None:
    assert read_value(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("010", "--set seed: written as 010 would mean 8"),
        ("!!python/name:os.system", "--set seed: tag !!python/name:os.system is not allowed"),
        ("1e999", "--set seed: number out of range: 1e999"),
        ("[1", "--set seed: not valid YAML"),
        ("\x1b[0m", '--set seed: control character "\\x1b" is not allowed'),
        ("x" * 1_000_001, "--set seed: value is longer than 1,000,000 characters"),
    ],
)
def test_one_bad_value(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_value(text, "--set seed")
    assert message in str(caught.value)


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), TREES, max_size=5), st.booleans())
def test_json_reads_as_the_standard_library_reads_it(tree: dict[str, object], spread: bool) -> None:
    text = json.dumps(tree, indent=2 if spread else None)
    try:
        expected = json.loads(text)
    except ValueError:
        return
    if any(ord(letter) in range(0xD800, 0xE000) for letter in json.dumps(tree, ensure_ascii=False)):
        return
    assert read_text(text, is_json=True).data == expected


@given(st.text(alphabet="abc01:-[]{}&*!|>'\"%@`,?#.~ \n\t\\ex\u00e9", max_size=60), st.booleans())
def test_any_text_is_read_or_refused(text: str, is_json: bool) -> None:
    found: list[InputError] = []
    try:
        node = read_text(text, "s.yaml", is_json=is_json)
        assert set(node.data) == {path[0] for path in node.lines if path}
    except InputError as error:
        found.append(error)
    for each in found:
        assert each.problems
        assert all(problem.path == "s.yaml" and problem.message for problem in each.problems)
