"""What all tests share: commands run as processes of their own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

import common  # noqa: F401  sets the threads' waiting before torch starts them

ROOT = Path(__file__).resolve().parents[1]
settings.register_profile("repeatable", derandomize=True)  # the same examples on every machine and in every run
settings.load_profile("repeatable")


@pytest.fixture
def start():
    """Start ``python *arguments`` with the project on its path; killed at the test's end if it still runs."""
    started = []

    def start_python(*arguments: object, **environment: object) -> subprocess.Popen:
        environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **{k: str(v) for k, v in environment.items()}}
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,  # a signal to its group reaches its own processes alone
        )
        started.append(process)
        return process

    yield start_python
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def two_ranks(start):
    """Run ``python *arguments`` as two processes of one group over the loopback interface; both must end well."""

    def run(*arguments: object) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        shared = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
        ranks = [start(*arguments, RANK=rank, LOCAL_RANK=rank, **shared) for rank in range(2)]
        ended = [(process.communicate(timeout=60), process.returncode) for process in ranks]
        assert [code for _, code in ended] == [0, 0], ended

    return run
