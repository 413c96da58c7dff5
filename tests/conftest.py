"""Settings shared by all tests, and the one whole run that several of them look at."""

import jax
import pytest
from command import TINY, start

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 4)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def finished(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    process = start(*TINY, "--run-dir", folder, cache=cache)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "test results" in output
    return folder
