"""A Dask cluster: started here or reached, told what is played, heard, and left without a trace."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from sim.errors import SimError, UsageError
from sim.experiments.blocks import clean
from sim.experiments.meanwhile import Meanwhile
from sim.experiments.worker import Setting, settle

LOCAL = re.compile(r"local:([1-9]\d{0,3})")
ADDRESS = re.compile(r"(tcp|tls|ucx|ws|wss)://\S+")

PLUGIN = "sim"
"""Under this name a cluster tells its processes what is played; the last run counts."""

ANSWER = 30.0
"""Seconds in which a scheduler must answer."""

THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
QUIET = {"DASK_LOGGING__DISTRIBUTED": "critical", "PYTHONWARNINGS": "ignore"}
INHERITED = (*THREADS, *QUIET, "PYTHONHASHSEED", "MALLOC_TRIM_THRESHOLD_")
"""What Dask's processes are started with; the last two are its own."""


class ClusterError(SimError):
    """A cluster cannot be reached or started, or is gone; what was finished is kept."""

    exit_code = 5


@contextmanager
def connected(address: str, setting: Setting) -> Iterator[tuple[Any, list[str]]]:
    """Start or reach a cluster and tell its processes, those to come included, what is played.

    Parameters
    ----------
    address : str
        ``local:N``, ``tcp://...``, or a scheduler's file.
    setting : Setting
        Sent once to each process.

    Yields
    ------
    tuple
        The client, and what was seen of processes that ended.

    Raises
    ------
    UsageError
        If the address is none, or the extra is not installed.
    ClusterError
        If nobody answers.
    """
    _check(address)
    dask, distributed = _packages()
    with ExitStack() as stack:
        if address in _kept:
            client, said = _kept[address]
        else:
            stack.enter_context(dask.config.set(_settings()))
            said = stack.enter_context(_listening())
            client = stack.enter_context(_reached(distributed, address))
        try:
            client.register_plugin(_plugin(distributed, setting), name=PLUGIN)
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            raise ClusterError(f"no cluster at {address}: {clean(str(error))}") from error
        yield client, said


_kept: dict[str, tuple[Any, list[str]]] = {}


@contextmanager
def kept(address: str | None) -> Iterator[None]:
    """Keep one cluster for several runs; starting one for each takes seconds.

    Parameters
    ----------
    address : str or None
        As `run` takes it; None keeps nothing.

    Yields
    ------
    None
        While runs with this address share the cluster.
    """
    if address is None or address in _kept:
        yield
        return
    _check(address)
    dask, distributed = _packages()
    with dask.config.set(_settings()), _listening() as said, _reached(distributed, address) as client:
        _kept[address] = (client, said)
        try:
            yield
        finally:
            del _kept[address]


def _packages() -> tuple[Any, Any]:
    try:
        return import_module("dask"), import_module("distributed")
    except ImportError as error:
        raise UsageError("a cluster needs Dask: pip install 'contagion-sim[cluster]'") from error


def _check(address: str) -> None:
    if not LOCAL.fullmatch(address) and not ADDRESS.fullmatch(address) and not Path(address).is_file():
        raise UsageError(f"cluster must be local:N, tcp://HOST:PORT or a scheduler's file, got {address!r}")


def _put_back(before: dict[str, str]) -> None:
    for name in INHERITED:
        if name in before:
            os.environ[name] = before[name]
        else:
            os.environ.pop(name, None)


_environment_kept = Meanwhile(lambda: dict(os.environ), _put_back)
"""Dask writes what its processes are to inherit into the environment of this one, for good."""


@contextmanager
def _reached(distributed: Any, address: str) -> Iterator[Any]:
    """A client of a cluster that is there, or of one that is started here and ended in the end."""
    with _environment_kept():
        yield from _client(distributed, address)


def _client(distributed: Any, address: str) -> Iterator[Any]:
    local = LOCAL.fullmatch(address)
    cluster = client = None
    try:
        try:
            if local:
                cluster = _started(distributed, int(local[1]))
                client = distributed.Client(cluster, timeout=ANSWER, set_as_default=False)
            elif ADDRESS.fullmatch(address):
                client = distributed.Client(address, timeout=ANSWER, set_as_default=False)
            else:
                client = distributed.Client(scheduler_file=address, timeout=ANSWER, set_as_default=False)
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            raise ClusterError(f"no cluster at {address}: {clean(str(error))}") from error
        yield client
    finally:
        _left(client, cluster)


def revive(client: Any) -> None:
    """Replace processes of a cluster started here whose keepers gave them up.

    Parameters
    ----------
    client : Client
        Of the cluster.
    """
    cluster = getattr(client, "cluster", None)
    workers = getattr(cluster, "workers", None)
    if cluster is None or not isinstance(workers, dict):
        return
    wanted = len(cluster.worker_spec)
    for name, nanny in list(workers.items()):
        if getattr(nanny.status, "name", "") in {"closed", "failed"}:
            workers.pop(name, None)
    if len(workers) < wanted:
        with suppress(Exception):
            cluster.scale(wanted)


def _left(client: Any, cluster: Any) -> None:
    """Leave a cluster quickly; what it is at is worth nothing any more."""
    if client is not None:
        with suppress(Exception):
            if cluster is None:
                client.unregister_worker_plugin(PLUGIN)
            client.close(timeout=1)
    if cluster is not None:
        for nanny in list(cluster.workers.values()):
            process: Any = getattr(getattr(nanny, "process", None), "process", None)
            with suppress(Exception):
                process.kill()
        with suppress(Exception):
            cluster.close(timeout=3)


def _settings() -> dict[str, Any]:
    return {
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(THREADS, "1") | QUIET,
        # who is to blame for a process that died is found here, not guessed there
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.work-stealing": False,
        "distributed.worker.multiprocessing-method": "spawn",
        # a process that takes long to start again, on a machine with much to do, is not lost
        "distributed.deploy.lost-worker-timeout": "1h",
        "distributed.admin.tick.limit": "1h",
    }


def _started(distributed: Any, workers: int) -> Any:
    """Processes of this machine, one thread each, that listen to this machine only and show no page."""
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
        # without a page it listens all the same: on any free port, so that two runs can go on side by side
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        silence_logs=False,
    )


def _plugin(distributed: Any, setting: Setting) -> Any:
    class Settle(distributed.WorkerPlugin):  # type: ignore[misc]
        """Tells a process what is played, when it starts."""

        def setup(self, worker: Any) -> None:  # noqa: ARG002
            settle(setting)

    return Settle()


class _Ear(logging.Handler):
    """Keeps what is said of processes that ended; nothing reaches the terminal."""

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self.said = said

    def emit(self, record: logging.LogRecord) -> None:
        """Take in a line."""
        line = record.getMessage()
        if "was killed by" in line or "exited with status" in line:
            self.said.append(line)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Hear what the cluster says instead of showing it."""
    said: list[str] = []
    ear = _Ear(said)
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in {"distributed", "tornado"}]
    before = {}
    for name in names:
        logger = logging.getLogger(name)
        before[name] = (logger.handlers, logger.level, logger.propagate)
        logger.handlers, logger.propagate = [ear], False
        logger.setLevel(logging.INFO)
    try:
        yield said
    finally:
        for name, (handlers, level, propagate) in before.items():
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
