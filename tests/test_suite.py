"""The settings of this test suite hold in every worker."""

import os
from pathlib import Path

import jax
import pytest
from conftest import COMPILE_FAST, FAST

pytestmark = pytest.mark.xdist_group("suite")


def test_tests_of_a_group_share_a_worker(request):
    """With pytest 9.2, xdist 3.8 ignores groups, and each worker makes the whole run anew."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("runs without workers")
    assert request.node.nodeid.endswith("@suite")


def test_every_worker_keeps_its_own_programs():
    folder = Path(os.environ["JAX_COMPILATION_CACHE_DIR"])
    assert folder.name.startswith("ttfs-jax-tests-")
    assert jax.config.jax_compilation_cache_dir == str(folder)


def test_programs_compile_fast_unless_the_user_says_otherwise():
    flags = COMPILE_FAST.split()
    assert os.environ["XLA_FLAGS"].split()[: len(flags)] == flags  # XLA heeds the last of two
    assert jax.config.values["jax_disable_most_optimizations"] == FAST


@pytest.mark.optimised
def test_programs_that_compute_for_long_are_optimised():
    assert not jax.config.values["jax_disable_most_optimizations"]


def test_a_test_behind_a_whole_run_is_marked_slow(request):
    for item in request.session.items:
        if "finished" in getattr(item, "fixturenames", ()):
            assert item.get_closest_marker("slow")
