"""Paths named by a scenario stay in its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sim.errors import InputError
from sim.scenario.paths import confine

KEY = "system.agents.banks.file"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario folder with a table, a sub-folder, and a secret beside it."""
    made = tmp_path / "scenario"
    (made / "data").mkdir(parents=True)
    (made / "banks.csv").write_text("id\n")
    (made / "data" / "banks.csv").write_text("id\n")
    (tmp_path / "secret.csv").write_text("id\n")
    (tmp_path / "scenario2").mkdir()
    (tmp_path / "scenario2" / "banks.csv").write_text("id\n")
    return made


def refusal(folder: Path, given: str, allow_outside: bool = False) -> str:
    with pytest.raises(InputError) as caught:
        confine(folder, given, KEY, allow_outside)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].key == KEY
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    "given",
    ["banks.csv", "./banks.csv", "data/banks.csv", "data/../banks.csv", "data//banks.csv"],
)
def test_files_in_the_folder_are_found(folder: Path, given: str) -> None:
    found = confine(folder, given, KEY)
    assert found.is_absolute()
    assert found == (folder / given).resolve()


@pytest.mark.parametrize(
    "given",
    ["../../../etc/passwd", "..", "../secret.csv", "data/../../secret.csv", "../scenario2/banks.csv"],
)
def test_s45_path_outside(folder: Path, given: str) -> None:
    assert refusal(folder, given) == f"{KEY} leaves the scenario folder; pass --allow-path to permit it"


@pytest.mark.parametrize("given", ["/etc/passwd", "C:\\x.csv", "C:x.csv", "\\\\host\\share\\x.csv", "/dev/zero"])
def test_s46_absolute_path(folder: Path, given: str) -> None:
    assert refusal(folder, given) == f"{KEY} is an absolute path; pass --allow-path to permit it"


@pytest.mark.parametrize(
    "given", ["http://127.0.0.1:9/x.csv", "file:///etc/passwd", "FILE:x", "s3://a/b", "data:text/csv,id", "s3:x"]
)
@pytest.mark.parametrize("allow_outside", [False, True])
def test_s47_url(folder: Path, given: str, allow_outside: bool) -> None:
    assert refusal(folder, given, allow_outside) == f"{KEY} is a URL; only local files are read"


def test_s48_device(folder: Path) -> None:
    assert refusal(folder, "/dev/zero", allow_outside=True) == f'{KEY} is not a regular file: "/dev/zero"'


def test_s49_missing_file(folder: Path) -> None:
    assert refusal(folder, "bank.csv") == f'{KEY}: no such file "bank.csv"; did you mean "banks.csv"?'
    assert refusal(folder, "data/bank.csv") == f'{KEY}: no such file "data/bank.csv"; did you mean "banks.csv"?'
    assert refusal(folder, "none/bank.csv") == f'{KEY}: no such file "none/bank.csv"'
    assert refusal(folder, "quite_another") == f'{KEY}: no such file "quite_another"'


def test_missing_file_outside_names_nothing_that_lies_there(folder: Path) -> None:
    assert refusal(folder, "../secre.csv", allow_outside=True) == f'{KEY}: no such file "../secre.csv"'


def test_c59_link_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "away").symlink_to(tmp_path)
    (folder / "dangling.csv").symlink_to(tmp_path / "none.csv")
    message = f"{KEY}: link leaves the scenario folder; pass --allow-path to permit it"
    for given in ("link.csv", "away/secret.csv", "dangling.csv", "away"):
        assert refusal(folder, given) == message
    assert confine(folder, "link.csv", KEY, allow_outside=True) == (tmp_path / "secret.csv").resolve()


def test_link_inside_the_folder_and_a_folder_behind_a_link(folder: Path, tmp_path: Path) -> None:
    (folder / "same.csv").symlink_to("banks.csv")
    assert confine(folder, "same.csv", KEY) == (folder / "banks.csv").resolve()
    (tmp_path / "other").symlink_to(folder)
    assert confine(tmp_path / "other", "banks.csv", KEY) == (folder / "banks.csv").resolve()


def test_loop_of_links(folder: Path) -> None:
    (folder / "a.csv").symlink_to("b.csv")
    (folder / "b.csv").symlink_to("a.csv")
    assert refusal(folder, "a.csv").startswith(f"{KEY}: ")


def test_c60_named_pipe_does_not_block(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    assert refusal(folder, "pipe.csv") == f'{KEY} is not a regular file: "pipe.csv"'


def test_c61_unreadable_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may read every file
    assert refusal(folder, "banks.csv") == f'{KEY}: permission denied "banks.csv"'


def test_odd_names(folder: Path) -> None:
    assert refusal(folder, "") == f"{KEY} is empty; give a file name"
    assert refusal(folder, " ") == f"{KEY} is empty; give a file name"
    assert refusal(folder, "data") == f'{KEY} is a folder: "data"; give a file'
    assert refusal(folder, ".") == f'{KEY} is a folder: "."; give a file'
    assert refusal(folder, "a\0b") == f'{KEY} holds control characters: "a\\x00b"'
    assert refusal(folder, "a\nb\x1b") == f'{KEY} holds control characters: "a\\nb\\x1b"'
    assert refusal(folder, "x" * 2000) == f"{KEY} is longer than 1,000 characters"
    assert "cannot be read" in refusal(folder, "x" * 300)
    assert refusal(folder, "banks.csv/x").startswith(f"{KEY}: ")


def test_absolute_path_is_read_when_permitted(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    assert confine(folder, str(secret), KEY, allow_outside=True) == secret.resolve()
    assert confine(folder, "../secret.csv", KEY, allow_outside=True) == secret.resolve()
