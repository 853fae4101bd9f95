"""Every notebook runs from top to bottom, offline, on this interpreter; none carries outputs."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there: what tries to leave this machine fails."""


def test_there_are_notebooks():
    wanted = {"01_first_run", "02_risk_wall", "03_sandbox_and_innovation", "05_your_own_agents", "06_sweeps"}
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_carries_no_outputs(path):
    notebook = json.loads(path.read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["cells"][0]["cell_type"] == "markdown"


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel on this interpreter, found before any other of its name; it writes nothing outside `tmp_path`."""
    pytest.importorskip("nbclient", reason="running notebooks needs nbclient")
    pytest.importorskip("ipykernel", reason="running notebooks needs ipykernel")
    place = tmp_path / "jupyter" / "kernels" / "python3"
    place.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    text = json.dumps({"argv": command, "display_name": "Python 3", "language": "python"})
    (place / "kernel.json").write_text(text)
    for name, value in {
        "JUPYTER_PATH": str(tmp_path / "jupyter"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "TMPDIR": str(tmp_path),
        "http_proxy": NOWHERE,
        "https_proxy": NOWHERE,
        "no_proxy": "",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("default")  # what the machinery of notebooks warns of is not ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_runs(path, kernel):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(kernel)}})
    asyncio.run(client.async_execute())  # `execute` would leave an open event loop behind
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        assert not [each for each in cell.outputs if each.output_type == "error"]
        last = cell.source.strip().splitlines()[-1]
        if ".plot(" in last:
            assert [each for each in cell.outputs if "image/png" in each.get("data", {})], f"no figure after {last}"
    assert sorted(path.parent.glob("*.ipynb")) == NOTEBOOKS
