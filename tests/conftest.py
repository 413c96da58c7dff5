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
