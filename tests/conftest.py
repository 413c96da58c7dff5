"""Settings shared by all tests, and the whole runs that several of them look at."""

import gc
import os
import shutil
import tempfile

import jax
import pytest

from ttfs_jax.support import compilation_cache

LONGEST = (
    "run",
    "xylo-run",
    "population",
    "test_seen_network",
    "test_identity",
    "test_solver_units",
)
# Most programs of tests run once, for an instant: they take longer to compile than to run.
COMPILE_FAST = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # read by commands that tests start
FAST = os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] not in ("0", "false")

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 4)


def pytest_configure(config):
    """Keep each worker's compiled programs for its session: many tests compile the same ones.

    Workers share none, since JAX may read what another process is still writing.
    """
    folder = tempfile.mkdtemp(prefix="ttfs-jax-tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    # Tracing allocates millions of objects: collecting as often as usual takes 8 % of the time.
    gc.set_threshold(20_000, 20, 20)
    # Flags of the user come last, so that they win.
    os.environ["XLA_FLAGS"] = f"{COMPILE_FAST} {os.environ.get('XLA_FLAGS', '')}".strip()
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder  # for the commands that tests start, too
    compilation_cache.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Compile fast, unless the test computes for long or the user wants all optimisations."""
    fast = FAST and item.get_closest_marker("optimised") is None
    jax.config.update("jax_disable_most_optimizations", fast)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Forget a module's programs: with thousands of them kept, everything compiles slower."""
    if nextitem is None or nextitem.path != item.path:
        jax.clear_caches()


def pytest_collection_modifyitems(items):
    for item in items:
        if "finished" in item.fixturenames:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("xdist_group") is None:
            # One worker a module: its tests share what is traced and compiled.
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    # The longest groups begin first, so that no worker waits for one of them at the end.
    items.sort(key=lambda item: item.get_closest_marker("xdist_group").args[0] not in LONGEST)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    from command import TINY, complete  # workers alone need it

    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert "test results" in complete(*TINY, "--run-dir", folder)
    return folder


@pytest.fixture(scope="session")
def finished_xylo(tmp_path_factory):
    from command import XYLO, complete

    folder = tmp_path_factory.mktemp("xylo") / "whole"
    output = complete(*XYLO, "--run-dir", folder, program=("-m", "search.evolve"))
    assert "estimated, not measured" in output
    return folder


@pytest.fixture
def compiled():
    """Collect the durations of all compilations by XLA: one entry per program."""
    events = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)
