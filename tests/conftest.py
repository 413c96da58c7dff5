"""Settings shared by all tests, and the one whole run that several of them look at."""

import os
import shutil
import tempfile

import jax
import pytest
from command import TINY, start

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 4)
WHOLE_RUNS = {"finished", "cache"}  # fixtures behind which a command trains networks


def pytest_configure(config):
    """Keep each worker's compiled programs for its session: many tests compile the same ones.

    Workers share none, since JAX may read what another process is still writing.
    """
    folder = tempfile.mkdtemp(prefix="ttfs-jax-tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder  # commands that tests start read it
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_collection_modifyitems(items):
    for item in items:
        if WHOLE_RUNS & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def cache():
    return os.environ["JAX_COMPILATION_CACHE_DIR"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    process = start(*TINY, "--run-dir", folder, cache=cache)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "test results" in output
    return folder


@pytest.fixture
def compiled():
    """Collect the durations of all compilations by XLA: one entry a program."""
    events = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)
