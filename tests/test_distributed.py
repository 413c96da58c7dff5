"""Two processes on the loopback address: the same results as one, also after one was killed."""

import socket
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from command import TINY, results, start

from search import evolve

pytestmark = pytest.mark.xdist_group("run")
PATIENCE = 900  # seconds; on a busy machine compiling takes minutes


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_both(*options):
    address = f"127.0.0.1:{free_port()}"
    shared = (*options, "--distributed", "--coordinator", address, "--processes", 2)
    return [start(*shared, "--process", n) for n in range(2)]


def test_a_process_is_killed_and_both_go_on_to_the_same_end(finished, tmp_path):
    folder = tmp_path / "two"
    first, second = start_both(*TINY, "--run-dir", folder)
    log = folder / "log.txt"
    deadline = time.monotonic() + PATIENCE
    while not (log.exists() and "evolution generation 1" in log.read_text()):
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    second.kill()
    second.communicate()
    output, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode != 0, output
    assert not (folder / "metrics.json").exists()
    both = start_both("--resume", folder)
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert "test results" in outputs[0]
    assert "test results" not in outputs[1]
    assert results(folder)["best"] == results(finished)["best"]
    ours, theirs = (pq.read_table(f / "history.parquet") for f in (folder, finished))
    assert ours.equals(theirs)
    assert np.isfinite(ours["fitness"]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--distributed"], "needs --run-dir"),
        (["--coordinator", "127.0.0.1:1"], "belongs to --distributed"),
        (["--distributed", "--run-dir", "x", "--coordinator", "127.0.0.1:1"], "give all of"),
        (
            "--distributed --run-dir x --coordinator 127.0.0.1:1 --processes 2 --process 2".split(),
            "must be a whole number from 0 to 1",
        ),
    ],
)
def test_unfit_options_are_named(options, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        evolve.main(["--data", "digits", *options])
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err
