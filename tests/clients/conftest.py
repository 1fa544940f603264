"""Fixtures that start Usher's processes."""

import pytest

from usher_processes import Stack


@pytest.fixture
def simulated(tmp_path):
    """A simulator and an environment that points to it; no server yet."""
    stack = Stack(tmp_path)
    yield stack
    stack.end()


@pytest.fixture
def stack(simulated):
    """A simulator and a server."""
    simulated.serve()
    return simulated
