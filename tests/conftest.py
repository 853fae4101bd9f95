"""What all tests share: one deterministic hypothesis profile, and reference data that may lie beside the repository."""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# Derandomized: the same examples in every run; no deadline, because the first call of a kernel compiles it.
settings.register_profile("deterministic", derandomize=True, deadline=None, database=None)
settings.load_profile("deterministic")

# A suite started in the background, or by nohup, inherits deafness to signals, and so would the commands it starts.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared(root: Path) -> Path:
    """Return the folder `shared` beside the repository, or skip."""
    folder = root.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no reference data: the optional folder 'shared' does not lie beside the repository")
    return folder


@pytest.fixture(scope="session")
def oracles(shared: Path) -> ModuleType:
    """Return the independent implementations that may lie in `shared`."""
    spec = importlib.util.spec_from_file_location("oracles", shared / "oracles.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules["oracles"] = found
    spec.loader.exec_module(found)
    return found
