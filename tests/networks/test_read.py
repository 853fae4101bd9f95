"""The strict table reader: what it refuses with which message and line, and what it must accept."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.networks import records
from sim.networks.read import ColumnRule, Table, read_assets, read_banks, read_exposures, read_holdings, read_table

BANKS = "id,country,total_assets,equity\nA,AT,100,40\nB,BE,80,25\nC,DE,50,15\nD,NA,40,20\n"
EXPOSURES = "creditor,debtor,amount\nA,B,10\nB,C,20\nC,A,30\nA,D,5\n"
HOLDINGS = "agent,asset,amount,fair_value_share\nA,bond,10,0.5\nB,bond,20,\n"
ASSETS = "asset,depth,issuer,price_floor\nbond,1000,government,0.4\nloan,500,borrowers,\n"
IDS, MARKETS = ["A", "B", "C", "D"], ["bond", "loan"]
EDGE = "creditor,debtor,amount\n"


def read(table: str, content: str | bytes, folder: Path, ids: list[str] | None = None) -> Table:
    path = folder / f"{table}.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if table == "banks":
        return read_banks(path)
    if table == "assets":
        return read_assets(path)
    if table == "holdings":
        return read_holdings(path, IDS, MARKETS)
    return read_exposures(path, ids or IDS)


# name -> (table, content, every problem, with {p} for the path)
REFUSED: dict[str, tuple[str, str | bytes, list[str]]] = {
    "C01 empty file": ("exposures", "", ["{p}: file is empty; expected a header creditor,debtor,amount"]),
    "C01 blank lines": ("exposures", "\n \n", ["{p}: file is empty; expected a header creditor,debtor,amount"]),
    "C03 no banks": ("banks", "id,total_assets,equity\n", ["{p}: no banks"]),
    "C04 missing column": ("exposures", "creditor,debtor\nA,B\n", ['{p}:1: missing column "amount"']),
    "C04 other case": (
        "exposures",
        "creditor,debtor,Amount\nA,B,1\n",
        ['{p}:1: missing column "amount"; rename "Amount"'],
    ),
    "C04 misspelt": (
        "exposures",
        "creditor,debtr,amount\nA,B,1\n",
        ['{p}:1: missing column "debtor"; did you mean "debtr"?'],
    ),
    "C05 duplicate column": (
        "exposures",
        "creditor,debtor,amount,amount\nA,B,1,2\n",
        ['{p}:1: column "amount" appears twice'],
    ),
    "C07 semicolons": (
        "exposures",
        EXPOSURES.replace(",", ";"),
        ['{p}:1: one column "creditor;debtor;amount"; the separator looks like ";" (save it with commas)'],
    ),
    "C07 tabs": (
        "exposures",
        EXPOSURES.replace(",", "\t"),
        ['{p}:1: one column "creditor\\tdebtor\\tamount"; the separator looks like a tab (save it with commas)'],
    ),
    "C08 decimal comma": (
        "exposures",
        EDGE + 'A,B,"10,5"\n',
        ['{p}:2: amount "10,5" is not a number; decimal comma? Write a point'],
    ),
    "C09 thousands": (
        "exposures",
        EDGE + 'A,B,"1,000"\nB,C,1 000\nC,D,"1,000,000.5"\nA,D,1.000.000\n',
        [
            '{p}:2: amount "1,000" is not a number; remove the thousands separator',
            '{p}:3: amount "1 000" is not a number; remove the thousands separator',
            '{p}:4: amount "1,000,000.5" is not a number; remove the thousands separator',
            '{p}:5: amount "1.000.000" is not a number; remove the thousands separator',
        ],
    ),
    "C10 currency": ("exposures", EDGE + "A,B,EUR 10\n", ['{p}:2: amount "EUR 10" is not a number']),
    "C11 blank amount": (
        "exposures",
        EDGE + "A,B,10\nB,C,\nC,D, \n",
        ["{p}:3: amount is empty", "{p}:4: amount is empty"],
    ),
    "C12 NaN": ("exposures", EDGE + "A,B,NaN\n", ["{p}:2: amount must be finite, got nan"]),
    "C13 infinity": (
        "exposures",
        EDGE + "A,B,inf\nB,C,-Infinity\n",
        ["{p}:2: amount must be finite, got inf", "{p}:3: amount must be finite, got -infinity"],
    ),
    "C14 overflow": (
        "exposures",
        EDGE + "A,B,1e400\nB,C,1e-400\n",
        ["{p}:2: amount 1e400 is out of range", "{p}:3: amount 1e-400 is out of range"],
    ),
    "C15 negative": (
        "exposures",
        EDGE + "A,B,-10\n",
        ["{p}:2: amount -10 is negative; a claim the other way goes on its own row"],
    ),
    "C17 self": ("exposures", EDGE + "A,A,10\n", ['{p}:2: creditor and debtor are both "A"']),
    "C18 duplicate edge": (
        "exposures",
        EDGE + "A,B,10\nA,B,5\n",
        ["{p}:3: A -> B given twice (line 2); add the amounts up in one row"],
    ),
    "C18 in a layer": (
        "exposures",
        "creditor,debtor,amount,layer\nA,B,10,repo\nA,B,5,loans\nA,B,5,repo\n",
        ['{p}:4: A -> B given twice in layer "repo" (line 2); add the amounts up in one row'],
    ),
    "C19 unknown bank": (
        "exposures",
        EDGE + "A,Z,10\n",
        ['{p}:2: debtor "Z" is not in banks.csv'],
    ),
    "C20 duplicate id": ("banks", BANKS + "A,FR,1,1\n", ['{p}:6: id "A" given twice (line 2)']),
    "C21 case": ("banks", BANKS + "a,FR,10,5\n", ['{p}:6: ids "A" (line 2) and "a" differ only in case; rename one']),
    "C22 Unicode form": (
        "banks",
        BANKS + "Cre\u0301dit,FR,10,5\nCr\u00e9dit,FR,10,5\n",
        ["{p}:7: ids differ only in Unicode normalisation: 'Cre\\u0301dit' (line 6) and 'Cr\\xe9dit'"],
    ),
    "C27 spaces": ("banks", BANKS.replace("A,", " A,", 1), ['{p}:2: id " A" has spaces around it']),
    "C27 no-break space": ("banks", BANKS.replace("A,", "A\u00a0,", 1), ['{p}:2: id "A\\xa0" has spaces around it']),
    "C27 in an edge": ("exposures", EDGE + "A, B,1\n", ['{p}:2: debtor " B" has spaces around it']),
    "C28 empty id": ("banks", BANKS + ",FR,1,1\n", ["{p}:6: id is empty"]),
    "control characters": ("banks", BANKS + "\x1b[31mE,FR,1,1\n", ['{p}:6: id "\\x1b[31mE" holds control characters']),
    "C32 short row": (
        "exposures",
        EDGE + "A,B,10\nB\nC,D\n",
        ["{p}:3: 1 field, expected 3", "{p}:4: 2 fields, expected 3"],
    ),
    "C33 long row": ("exposures", EDGE + "A,B,10,9\nB,C,20\n", ["{p}:2: 4 fields, expected 3"]),
    "C34 trailing commas": ("exposures", "creditor,debtor,amount,\nA,B,10,\n", ["{p}:1: column 4 has no name"]),
    "C35 open quote": ("exposures", EDGE + '"A,B,10\nB,C,20\n', ["{p}:2: quote opened here is never closed"]),
    "C35 later": (
        "exposures",
        EDGE + 'A,B,-1\nA,"B,10\nB,C,20\n',
        [
            "{p}:2: amount -1 is negative; a claim the other way goes on its own row",
            "{p}:3: quote opened here is never closed",
        ],
    ),
    "text behind a quote": (
        "exposures",
        EDGE + '"A"x,B,10\n',
        ["{p}:2: text follows a closing quote (opened at line 2)"],
    ),
    "C38 UTF-16": ("exposures", EXPOSURES.encode("utf-16"), ["{p}: not UTF-8 (looks like UTF-16); save as UTF-8"]),
    "C39 Latin-1": (
        "banks",
        BANKS.encode() + b"Cr\xe9dit,FR,10,5\n",
        ["{p}:6: byte 0xe9 is not UTF-8; is the file Latin-1? Save it as UTF-8"],
    ),
    "C39 behind a mark, Mac line ends": (
        "banks",
        b"\xef\xbb\xbf" + BANKS.replace("\n", "\r").encode() + b"Cr\xe9dit,FR,10,5\r",
        ["{p}:6: byte 0xe9 is not UTF-8; is the file Latin-1? Save it as UTF-8"],
    ),
    "C40 NUL": (
        "exposures",
        EDGE.encode() + b"A\x00,B\x00,10\nB,C,1\n\x00\n",
        ["{p}:2: NUL byte in the file", "{p}:4: NUL byte in the file"],
    ),
    "C44 cut off": ("exposures", EXPOSURES[:-3], ["{p}:5: 2 fields, expected 3 (the file may be cut off)"]),
    "C45 Unicode minus": (
        "exposures",
        EDGE + "A,B,\u221210\n",
        ['{p}:2: amount "\u221210" is not a number (Unicode minus sign); write -'],
    ),
    "C46 Arabic digits": (
        "exposures",
        EDGE + "A,B,\u0661\u0662\n",
        ['{p}:2: amount is not written in ASCII digits: "\u0661\u0662"'],
    ),
    "C47 underscore": ("exposures", EDGE + "A,B,1_000\n", ['{p}:2: amount "1_000" is not a number']),
    "C48 arithmetic": (
        "exposures",
        EDGE + "A,B,13+27682\nB,C,=1+1\n",
        [
            '{p}:2: amount "13+27682" is not a number (cells are never evaluated)',
            '{p}:3: amount "=1+1" is not a number (cells are never evaluated)',
        ],
    ),
    "C49 code": (
        "exposures",
        EDGE + 'A,B,__import__("os").system("touch PWNED")\n',
        ['{p}:2: amount "__import__("os").system("touch PWNED")" is not a number (cells are never evaluated)'],
    ),
    "C56 columns": (
        "exposures",
        "creditor" + "," * 10_000_000,
        ["{p}:1: 10,000,001 columns is over the limit of 1,000"],
    ),
    "C57 long field": (
        "exposures",
        EDGE + "A" * 1_000_001 + ",B,1\nB,B,1\n",
        ["{p}:2: field longer than 1 MB", '{p}:3: creditor and debtor are both "B"'],
    ),
    "C57 in quotes": (
        "exposures",
        EDGE + '"' + "A\n" * 600_000 + '",B,1\n',
        ["{p}:2: field longer than 1 MB; is its quote never closed?"],
    ),
    "C57 in the header": ("exposures", "A" * 1_000_001 + ",B,1\nA,B,1\n", ["{p}:1: field longer than 1 MB"]),
    "hexadecimal": (
        "exposures",
        EDGE + "A,B,0x10\nB,C,1e\nC,D,.\n",
        [
            '{p}:2: amount "0x10" is not a number',
            '{p}:3: amount "1e" is not a number',
            '{p}:4: amount "." is not a number',
        ],
    ),
    "percent": (
        "holdings",
        "agent,asset,amount,fair_value_share\nA,bond,1,50%\n",
        ['{p}:2: fair_value_share "50%" is not a number; write 0.5'],
    ),
    "share in percent": (
        "holdings",
        "agent,asset,amount,fair_value_share\nA,bond,1,40\n",
        ["{p}:2: fair_value_share = 40 must be in [0, 1]; is it a percentage (0.4)?"],
    ),
    "negative share": (
        "holdings",
        "agent,asset,amount,fair_value_share\nA,bond,1,-0.1\n",
        ["{p}:2: fair_value_share = -0.1 must be in [0, 1]"],
    ),
    "long number": (
        "exposures",
        EDGE + "A,B," + "1" * 500 + "\n",
        [f'{{p}}:2: amount "{"1" * 55}..." is not a number (longer than 400 characters)'],
    ),
    "spreadsheet": (
        "banks",
        b"PK\x03\x04" + b"\x00" * 50,
        ["{p}: not a CSV file (looks like a spreadsheet or an archive); export it as CSV"],
    ),
    "Parquet by another name": (
        "banks",
        b"PAR1" + b"\x00" * 50,
        ["{p}: not a CSV file (looks like Parquet); name it .parquet"],
    ),
    "imputed names nothing": (
        "banks",
        "id,total_assets,equity,imputed\nA,10,1,equty total_assets\n",
        ['{p}:2: imputed names "equty", which is no column of this table; did you mean "equity"?'],
    ),
    "holding twice": (
        "holdings",
        HOLDINGS + "A,bond,1,1\n",
        ["{p}:4: A holds bond given twice (line 2); add the amounts up in one row"],
    ),
    "unknown asset and agent": (
        "holdings",
        HOLDINGS + "E,bnd,1,1\n",
        ['{p}:4: agent "E" is not in banks.csv', '{p}:4: asset "bnd" is not in assets.csv; did you mean "bond"?'],
    ),
    "depth of zero": (
        "assets",
        ASSETS + "x,0,,\n",
        ["{p}:4: depth 0 must be above 0: it is the sales that take the whole price"],
    ),
    "asset twice": (
        "assets",
        ASSETS + "bond,1,,\nLoan,1,,\n",
        [
            '{p}:4: asset "bond" given twice (line 2)',
            '{p}:5: assets "loan" (line 3) and "Loan" differ only in case; rename one',
        ],
    ),
    "all at once": (
        "exposures",
        EDGE + "A,A,x\nA,Z,-1\nB,C\nB,D,1\nB,D,2\n,C,1\n",
        [
            '{p}:2: amount "x" is not a number',
            '{p}:2: creditor and debtor are both "A"',
            "{p}:3: amount -1 is negative; a claim the other way goes on its own row",
            '{p}:3: debtor "Z" is not in banks.csv',
            "{p}:4: 2 fields, expected 3",
            "{p}:6: B -> D given twice (line 5); add the amounts up in one row",
            "{p}:7: creditor is empty",
        ],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_all_problems(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table, content, messages = REFUSED[case]
    with pytest.raises(InputError) as caught:
        read(table, content, Path())
    found = [str(problem) for problem in caught.value.problems]
    assert found == [message.replace("{p}", f"{table}.csv") for message in messages]
    assert [each.name for each in tmp_path.iterdir()] == [f"{table}.csv"]


# name -> (table, content, column, its cells)
ACCEPTED: dict[str, tuple[str, str | bytes, str, list[object]]] = {
    "C02 header only": ("exposures", EDGE, "creditor", []),
    "C16 negative zero": ("exposures", EDGE + "A,B,-0.0\nB,C,1\n", "creditor", ["B"]),
    "C23 id NA": ("banks", BANKS.replace("D,NA", "NA,NA"), "id", ["A", "B", "C", "NA"]),
    "C24 null, None, nan": (
        "banks",
        BANKS + "null,FR,10,5\nNone,FR,10,5\nnan,FR,10,5\n",
        "id",
        [*IDS, "null", "None", "nan"],
    ),
    "C25 leading zeros": ("banks", BANKS.replace("D,", "001,"), "id", ["A", "B", "C", "001"]),
    "C26 like a number": ("banks", BANKS.replace("D,", "1E5,"), "id", ["A", "B", "C", "1E5"]),
    "C29 formula": ("banks", BANKS + "=cmd()|x,FR,10,5\n", "id", [*IDS, "=cmd()|x"]),
    "C30 path": ("banks", BANKS + "../../x,FR,10,5\n", "id", [*IDS, "../../x"]),
    "C31 markup": ("banks", BANKS + "<script>alert(1)</script>,FR,10,5\n", "id", [*IDS, "<script>alert(1)</script>"]),
    "C36 quoted newline": ("banks", BANKS + '"E\nE",FR,10,5\nF,FR,1,1\n', "id", [*IDS, "E\nE", "F"]),
    "quoted comma and quote": ("banks", BANKS + '"E, ""x""",FR,10,5\n', "id", [*IDS, 'E, "x"']),
    "C37 mark": ("exposures", b"\xef\xbb\xbf" + EXPOSURES.encode(), "amount", [10.0, 20.0, 30.0, 5.0]),
    "C41 Windows": ("exposures", EXPOSURES.replace("\n", "\r\n"), "amount", [10.0, 20.0, 30.0, 5.0]),
    "C42 Mac": ("exposures", EXPOSURES.replace("\n", "\r"), "amount", [10.0, 20.0, 30.0, 5.0]),
    "C43 no newline": ("exposures", EXPOSURES.rstrip("\n"), "amount", [10.0, 20.0, 30.0, 5.0]),
    "C55 subnormal and huge": ("exposures", EDGE + "A,B,5e-324\nB,C,1e300\n", "amount", [5e-324, 1e300]),
    "blank lines": ("exposures", EDGE + "\nA,B,1\n\n  \nB,C,2\n\n", "amount", [1.0, 2.0]),
    "forms of numbers": (
        "exposures",
        EDGE + "A,B,+1\nB,C,.5\nC,D,2.\nD,A,1E+2\nA,C, 7 \n",
        "amount",
        [1.0, 0.5, 2.0, 100.0, 7.0],
    ),
    "both ways": ("exposures", EDGE + "A,B,1\nB,A,2\n", "amount", [1.0, 2.0]),
    "line separator in a name": ("banks", BANKS + "E\u2028E,FR,1,1\n", "id", [*IDS, "E\u2028E"]),
    "quotes inside a field": ("banks", BANKS + 'E "x" y,FR,1,1\n', "id", [*IDS, 'E "x" y']),
    "C51 negative equity": ("banks", BANKS + "E,FR,10,-5\n", "equity", [40.0, 25.0, 15.0, 20.0, -5.0]),
    "other order of columns": ("exposures", "amount,debtor,creditor\n1,A,B\n", "creditor", ["B"]),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str, tmp_path: Path) -> None:
    table, content, column, cells = ACCEPTED[case]
    found = read(table, content, tmp_path)
    assert list(found.columns[column]) == cells
    assert found.warnings == []
    assert found.path.endswith(f"{table}.csv")


def test_ids_of_edges_are_text_too(tmp_path: Path) -> None:
    for name in ("NA", "001", "1E5", "null", "=x"):
        table = read("exposures", EXPOSURES.replace("D", name), tmp_path, ["A", "B", "C", name])
        assert table.text("debtor")[-1] == name


def test_lines_follow_quoted_newlines_and_blank_lines(tmp_path: Path) -> None:
    table = read("banks", 'id,total_assets,equity\n\nA,1,1\n"B\nB",2,1\n\nC,3,1\n', tmp_path)
    assert table.lines == [3, 4, 7]


def test_c06_unknown_column_warns(tmp_path: Path) -> None:
    table = read("exposures", "creditor,debtor,amount,note\nA,B,1,x\n", tmp_path)
    assert [str(warning).split("exposures.csv")[1] for warning in table.warnings] == [':1: column "note" is ignored']
    assert "note" not in table.columns
    table = read("exposures", "creditor,debtor,amount,layr\nA,B,1,x\n", tmp_path)
    assert str(table.warnings[0]).endswith('column "layr" is ignored; did you mean "layer"?')


def test_c53_all_amounts_zero_warns(tmp_path: Path) -> None:
    table = read("exposures", EDGE + "A,B,0\n", tmp_path)
    assert table.n_rows == 0
    assert str(table.warnings[0]).endswith("exposures.csv: no positive exposure: every amount is 0")
    table = read("holdings", "agent,asset,amount\nA,bond,0\n", tmp_path)
    assert "no positive holding" in str(table.warnings[0])


def test_optional_cells_are_missing_not_zero_and_not_nan(tmp_path: Path) -> None:
    table = read("banks", "id,total_assets,equity,cash,name\nA,10,1,,\nB,10,1,0,x\nC,10,1,3,\n", tmp_path)
    assert table.numbers("cash").tolist() == [0.0, 0.0, 3.0]
    assert table.present["cash"].tolist() == [False, True, True]
    assert table.cells()["cash"] == [None, 0.0, 3.0]
    assert table.cells()["name"] == [None, "x", None]
    assert table.numbers("rwa").tolist() == [0.0, 0.0, 0.0]
    assert not table.given("rwa").any()
    assert table.text("country") == ["", "", ""]
    assert "rwa" not in table.columns


def test_holdings_and_assets(tmp_path: Path) -> None:
    table = read("holdings", HOLDINGS, tmp_path)
    assert table.numbers("amount").tolist() == [10.0, 20.0]
    assert table.given("fair_value_share").tolist() == [True, False]
    table = read("assets", ASSETS, tmp_path)
    assert table.text("issuer") == ["government", "borrowers"]
    assert table.numbers("depth").tolist() == [1000.0, 500.0]


def test_all_columns_of_the_folder_format(tmp_path: Path) -> None:
    header = (
        "id,name,country,total_assets,equity,cash,loans,deposits_insured,deposits_uninsured,deposits_wholesale,"
        "other_liabilities,interbank_assets,interbank_liabilities,rwa,cet1,tier1,leverage_ratio,imputed"
    )
    table = read("banks", f"{header}\nA,Bank,AT,10,1,1,1,1,1,1,1,1,1,1,1,-1,0.05,cash loans\n", tmp_path)
    assert table.warnings == []
    assert list(table.columns) == header.split(",")


def test_nearest_id_is_named(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(EDGE + "AT001,B,1\n")
    with pytest.raises(InputError, match=r'creditor "AT001" is not in banks.parquet; did you mean "AT01"\?'):
        read_exposures(path, ["AT01", "B"], "banks.parquet")


def test_compressed_table(tmp_path: Path) -> None:
    path = tmp_path / "banks.csv.gz"
    path.write_bytes(gzip.compress(BANKS.encode()))
    assert read_banks(path).text("id") == IDS
    path.write_bytes(gzip.compress(BANKS.encode())[:-12])
    with pytest.raises(InputError, match=r"damaged gzip file \(it may be cut off\)"):
        read_banks(path)
    path.write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(InputError, match="damaged gzip file"):
        read_banks(path)


def test_c58_gzip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "banks.csv.gz"
    path.write_bytes(gzip.compress(b"\n" * 50_000_000))
    with pytest.raises(InputError, match="expands to more than 100 x its size or 1 GB; unpack it, or use Parquet"):
        read_banks(path)


def test_too_large_is_refused_by_size(tmp_path: Path) -> None:
    path = tmp_path / "banks.csv"
    with path.open("wb") as file:
        file.truncate(3_000_000_000)
    with pytest.raises(InputError, match="3 GB is over the limit of 1 GB for a table"):
        read_banks(path)


def test_c60_c61_pipe_folder_and_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path, message in (
        (tmp_path / "pipe.csv", "not a regular file"),
        (tmp_path, "is a folder"),
        (tmp_path / "none.csv", "no such file"),
        (Path("/dev/zero"), "not a regular file"),
    ):
        with pytest.raises(InputError, match=message):
            read_banks(path)

    def deny(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "banks.csv").write_text(BANKS)
    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(InputError, match="permission denied"):
        read_banks(tmp_path / "banks.csv")


def test_parquet_is_checked_like_csv(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "exposures.parquet"

    def write(query: str) -> None:
        path.unlink(missing_ok=True)
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")

    write("SELECT * FROM (VALUES ('A', 'B', 0.1::DOUBLE), ('B', 'NA', 1e300)) t(creditor, debtor, amount)")
    table = read_exposures(path, ["A", "B", "NA"])
    assert table.numbers("amount").tolist() == [0.1, 1e300]
    assert table.text("debtor") == ["B", "NA"]
    assert table.lines == [1, 2]

    write(
        "SELECT * FROM (VALUES ('A', 'A', 'nan'::DOUBLE), ('B', 'Z', -1.0), (NULL, 'B', NULL)) "
        "t(creditor, debtor, amount)"
    )
    with pytest.raises(InputError) as caught:
        read_exposures(path, IDS)
    assert [str(problem).split("exposures.parquet")[1] for problem in caught.value.problems] == [
        ":1: amount must be finite, got nan",
        ':1: creditor and debtor are both "A"',
        ":2: amount -1.0 is negative; a claim the other way goes on its own row",
        ':2: debtor "Z" is not in banks.csv',
        ":3: creditor is empty",
        ":3: amount is empty",
    ]

    write("SELECT 'A' AS creditor, 'B' AS debtor")
    with pytest.raises(InputError, match=r'exposures.parquet: missing column "amount"'):
        read_exposures(path, IDS)

    path.write_bytes(b"PAR1 nonsense PAR1")
    with pytest.raises(InputError, match="not a Parquet file that can be read"):
        read_exposures(path, IDS)
    starred = tmp_path / "a*.parquet"
    starred.write_bytes(b"")
    with pytest.raises(InputError, match="path cannot hold"):
        read_exposures(starred, IDS)


def test_generic_rules(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n 1 ,a\n,b\n-2,a\n")
    rules = {"x": ColumnRule("number"), "y": ColumnRule("text", unique=True)}
    with pytest.raises(InputError, match=r'4: y "a" given twice \(line 2\)'):
        read_table(path, rules)
    table = read_table(path, {"x": ColumnRule("number"), "y": ColumnRule("text")})
    assert table.numbers("x").tolist() == [1.0, 0.0, -2.0]
    assert table.keep(table.given("x")).text("y") == ["a", "a"]
    assert len(table.digest) == 64


def test_many_problems_are_counted_and_bounded(tmp_path: Path) -> None:
    start = time.perf_counter()
    with pytest.raises(InputError) as caught:
        read("exposures", EDGE + "".join(f"A,Z{i},1\n" for i in range(100_000)), tmp_path)
    assert len(caught.value.problems) == 10_000
    assert str(caught.value).endswith("and 9980 more")
    assert time.perf_counter() - start < 20.0


def test_reading_is_linear(tmp_path: Path) -> None:
    ids = [f"B{i}" for i in range(2_000)]
    text = EDGE + "".join(f"B{i % 2000},B{(i * 7 + 1 + i // 2000) % 2000},{i + 1}.5\n" for i in range(1_000))
    hostile = ['"', '"a"', '""', ",", '"\n', "a\r", '"a"b,', "1" * 399 + "\n"]
    start = time.perf_counter()
    read("exposures", text, tmp_path, ids)
    for piece in hostile:
        with pytest.raises(InputError):
            read("exposures", EDGE + piece * (500_000 // len(piece)), tmp_path)
    assert time.perf_counter() - start < 20.0


@given(st.text(alphabet='ABab,"\n\r 01.-e\u00e9\x00=', max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    problems: list[object] = []
    try:
        rows = list(records.Records(text, "t.csv", []))  # type: ignore[arg-type]
    except InputError as error:
        problems = list(error.problems)
        rows = []
    assert problems or all(isinstance(field, str) for _, fields in rows for field in fields)


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1), st.floats(0, 1e300)),
        min_size=1,
    )
)
def test_what_the_standard_library_writes_is_read_back(rows: list[tuple[str, float]]) -> None:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows(rows)
    found = [fields for _, fields in records.Records(out.getvalue(), "t.csv", [])]
    assert [(name, float(value)) for name, value in found] == rows


def test_numbers_survive_bit_for_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(1).lognormal(0.0, 50.0, 200)
    names = [f"B{i}" for i in range(201)]
    text = EDGE + "".join(f"B{i},B{i + 1},{value!r}\n" for i, value in enumerate(values.tolist()))
    assert np.array_equal(read("exposures", text, tmp_path, names).numbers("amount"), values)
