"""Memory, cores and devices as the machine, its limits and the user's settings have them."""

import os
import subprocess
import sys

import jax
import pytest
from places import ROOT

from ttfs_jax.support import memory
from ttfs_jax.support.devices import available_cores, single_precision

GIB = 2**30


def make(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {
    "proc/meminfo": f"MemTotal: {9 * 2**20} kB\nMemFree: 7 kB\nMemAvailable: {4 * 2**20} kB\n"
}
SECOND = {
    "proc/self/cgroup": "0::/jobs/mine\n",
    "sys/fs/cgroup/jobs/mine/memory.max": "max\n",
    "sys/fs/cgroup/jobs/mine/memory.current": "5\n",
    "sys/fs/cgroup/jobs/memory.max": f"{3 * GIB}\n",
    "sys/fs/cgroup/jobs/memory.current": f"{2 * GIB}\n",
    "sys/fs/cgroup/jobs/memory.stat": f"anon 1\ninactive_file {GIB // 2}\n",
}
FIRST = {
    "proc/self/cgroup": "5:cpu,cpuacct:/x\n3:memory:/docker/abc\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
    "sys/fs/cgroup/memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 4}\n",
}


@pytest.mark.parametrize(
    ("files", "free"),
    [
        (MEMINFO, 4 * GIB),
        (MEMINFO | SECOND, 3 * GIB // 2),
        (MEMINFO | FIRST, 5 * GIB // 4),
        (FIRST, 5 * GIB // 4),
        (MEMINFO | SECOND | {"sys/fs/cgroup/jobs/memory.max": f"{GIB}\n"}, 0),
        (MEMINFO | {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 4 * GIB),
    ],
)
def test_the_least_of_all_limits_is_free(files, free, tmp_path):
    assert memory.free_memory(make(tmp_path, files)) == free


def test_systems_without_these_files_answer_too(tmp_path, monkeypatch):
    assert 0 < memory.free_memory() <= 2**45
    assert memory.free_memory(tmp_path) > 0

    def mac(name):
        if name == "SC_AVPHYS_PAGES":
            raise ValueError("unrecognized configuration name")
        return {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}[name]

    monkeypatch.setattr(os, "sysconf", mac)
    assert memory.free_memory(tmp_path) == 1000 * 4096 // 2
    monkeypatch.delattr(os, "sysconf")
    assert memory.free_memory(tmp_path) == memory.UNKNOWN
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_cores() == os.cpu_count()


def test_sixty_four_bits_are_left_out_and_said(capsys):
    with jax.enable_x64(True):
        with single_precision():
            assert jax.numpy.ones(2).dtype == "float32"
        assert jax.numpy.ones(2).dtype == "float64"
    assert "JAX_ENABLE_X64" in capsys.readouterr().err
    with single_precision():
        assert not capsys.readouterr().err


COUNT = """
import jax
from ttfs_jax.support.command import one_line_errors
from ttfs_jax.support.devices import use_every_core
with one_line_errors():
    use_every_core()
    jax.numpy.ones(2)
    print(jax.local_device_count())
"""


@pytest.mark.parametrize(
    ("setting", "devices"),
    [
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}, "3"),
        ({"JAX_NUM_CPU_DEVICES": "5"}, "5"),
        ({"JAX_PLATFORMS": "cuda"}, None),
        ({"JAX_PLATFORMS": "abacus"}, None),
    ],
)
def test_the_users_devices_are_kept_or_refused_in_one_line(setting, devices):
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_"))}
    shown = subprocess.run(
        [sys.executable, "-c", COUNT],
        cwd=ROOT,
        env=plain | setting,
        capture_output=True,
        text=True,
    )
    if devices is None:
        assert shown.returncode == 2
        assert shown.stderr.startswith(f"error: JAX_PLATFORMS={setting['JAX_PLATFORMS']}: ")
        assert shown.stderr.count("\n") == 1
    else:
        assert shown.stdout.strip() == devices, shown.stderr
