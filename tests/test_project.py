"""Rules of the house that no linter checks: light import, sizes, no fastmath, scenarios named as their files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import sim

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "sim").rglob("*.py"))
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))

FILE_LINES = 400
FUNCTION_LINES = 60
KERNEL_LINES = 80
HEAVY = ("mesa", "matplotlib", "pandas", "duckdb", "dask")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    first = function.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if told else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def public_functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield functions and methods whose whole path is public; nested ones are nobody's interface."""
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        for node in ast.iter_child_nodes(todo.pop()):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                todo.append(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                yield node


def untold(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Name the parameters, and the result, that a numpydoc docstring leaves out."""
    text = ast.get_docstring(function) or ""
    marks = {ast.unparse(mark).split("(")[0].split(".")[-1] for mark in function.decorator_list}
    if marks & {"property", "cached_property", "override", "overload", "setter"}:
        return []
    section = re.search(r"^(?:Other )?Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+$|\Z)", text, flags=re.DOTALL | re.MULTILINE)
    heads = re.findall(r"^(\*{0,2}\w[\w, *]*?)(?: :|$)", section.group(1) if section else "", flags=re.MULTILINE)
    told = {name.strip().lstrip("*") for head in heads for name in head.split(",")}
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    missing = [arg.arg for arg in every if arg.arg not in told | {"self", "cls"} and not arg.arg.startswith("_")]
    silent = function.returns is None or ast.unparse(function.returns) in {
        "None",
        "Never",
        "NoReturn",
        "Iterator[None]",
    }
    if not silent and not re.search(r"^(Returns|Yields)\n-+$", text, flags=re.MULTILINE):
        missing.append("its result")
    return missing


def loaded_after(statement: str) -> set[str]:
    """Return the heavy packages a fresh interpreter holds after one statement."""
    code = f"{statement}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_is_light() -> None:
    assert loaded_after("import sim") == set()


def test_the_check_of_light_imports_sees_a_heavy_one() -> None:
    assert loaded_after("import pandas") >= {"pandas"}


def test_loading_a_scenario_is_light() -> None:
    assert loaded_after("import sim; sim.load('ring_of_ten')") == set()


@pytest.mark.parametrize("name", sim.__all__)
def test_public_name_is_there(name: str) -> None:
    assert getattr(sim, name) is not None
    assert name in dir(sim)


def test_public_names_are_those_with_a_place() -> None:
    assert set(sim._PLACES) | {"__version__"} == set(sim.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'sim' has no attribute 'contagious'"):
        _ = sim.contagious  # type: ignore[attr-defined]


def test_folders_are_reached_as_attributes() -> None:
    assert sim.errors.SimError is sim.SimError


def test_package_is_typed() -> None:
    assert (ROOT / "sim" / "py.typed").is_file()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_file_is_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES, f"{relative(path)} has {lines} lines"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_functions_are_short(path: Path) -> None:
    limit = KERNEL_LINES if path.parent.name == "kernels" else FUNCTION_LINES
    long = [f"{f.name} ({code_lines(f)})" for f in functions(path) if code_lines(f) > limit]
    assert not long, f"{relative(path)}: over {limit} lines: {', '.join(long)}"


def test_code_lines_leave_out_the_docstring() -> None:
    source = 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n'
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.FunctionDef)
    assert code_lines(node) == 2


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_fast_math(path: Path) -> None:
    # It lets the compiler reorder sums by machine, and so changes the digest of the answer.
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            flags = {word.arg for word in node.keywords}
            assert "fastmath" not in flags, f"{relative(path)}:{node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_module_imports_the_package_as_a_whole(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert "sim" not in [alias.name for alias in node.names], f"{relative(path)}:{node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_annotations_are_postponed(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    code = [node for node in tree.body if not isinstance(node, ast.Expr)]
    if code and path.name != "__init__.py":
        first = code[0]
        assert isinstance(first, ast.ImportFrom), relative(path)
        assert first.module == "__future__", relative(path)


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_public_functions_tell_their_parameters_and_result(path: Path) -> None:
    gaps = [f"{f.name}:{f.lineno} leaves out {', '.join(untold(f))}" for f in public_functions(path) if untold(f)]
    assert not gaps, f"{relative(path)}: " + "; ".join(gaps)


def test_a_gap_in_a_docstring_is_seen() -> None:
    told = "One.\n\nParameters\n----------\na : int\n    First.\n"
    (node,) = ast.parse(f"def f(a: int, *b: int, c: int) -> int:\n    {told!r}\n").body
    assert isinstance(node, ast.FunctionDef)
    assert untold(node) == ["c", "b", "its result"]


def test_every_folder_of_the_package_is_a_package() -> None:
    folders = {path.parent for path in SOURCES}
    assert [relative(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_there_are_scenarios() -> None:
    assert {path.stem for path in SCENARIOS} >= {"eu48_sovereign", "eu48_single_failures", "ring_of_ten"}


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_is_named_as_its_file(path: Path) -> None:
    data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    assert data["name"] == path.stem


def test_readme_example_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict[str, object] = {}
    # Fewer draws: what is tested is that the lines work.
    *lines, last = example.replace("1_000", "50").strip().splitlines()
    exec(compile("\n".join(lines), "README.md", "exec"), names)
    assert {"scenario", "result", "without"} <= set(names)
    # a notebook shows the value of the last line as a picture
    assert eval(last, names)._repr_png_().startswith(b"\x89PNG")
