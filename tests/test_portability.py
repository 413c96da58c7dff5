"""What only Linux has is not needed: with it deleted the command starts and everything imports."""

import os
import subprocess
import sys

from command import TINY
from places import ROOT

# As elsewhere: no affinity, free pages, reserved space, /proc or control groups.
ELSEWHERE = """
import importlib, os, pathlib, pkgutil, sys

for name in ("sched_getaffinity", "posix_fallocate", "getuid"):
    delattr(os, name)
del os.sysconf_names["SC_AVPHYS_PAGES"]
read_text = pathlib.Path.read_text

def read(path, *options, **named):
    if str(path).startswith(("/proc/", "/sys/fs/")):
        raise FileNotFoundError(path)
    return read_text(path, *options, **named)

pathlib.Path.read_text = read
import matplotlib
matplotlib.use("svg")

sys.path.insert(0, "tests")
import command  # registers the space
import jax, numpy
import hardware, search, ttfs_jax
from search import evolve, pipeline
from ttfs_jax.population.program import run_members
from ttfs_jax.support.errors import InputError

def begin(config, data, space, directory, reporter):
    directory.save(directory.checkpoint("first"), {"weights": numpy.ones(3)}, meta={})
    total = run_members(lambda a, b: a + b, numpy.ones(2), numpy.float32(1)).sum()
    print(jax.device_count(), total)
    for package in (ttfs_jax, hardware, search):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    assert matplotlib.get_backend() == "svg"
    assert "matplotlib.pyplot" not in sys.modules
    raise InputError("far enough")

pipeline._stages = begin
evolve.main(sys.argv[1:])
"""


def test_the_command_starts_without_what_only_linux_has(tmp_path):
    unset = ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS", "MPLBACKEND")
    shown = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *TINY, f"--run-dir={tmp_path / 'run'}"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in unset},
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 2, shown.stderr
    assert shown.stderr.splitlines()[-1] == "error: far enough"
    assert f"\n{os.cpu_count()} 4.0\n" in shown.stdout
    assert (tmp_path / "run" / "checkpoints" / "first").is_dir()
