"""Networks that come with the package: what they gave where they were trained, and from where."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import ttfs_jax
from benchmarks.reports import zoo as reports
from ttfs_jax import datasets, zoo
from ttfs_jax.support.errors import InputError

NAMES = zoo.network_names()
PAGE = Path(__file__).parents[1] / "docs" / "zoo.md"
RECALLS = ("ttfs", "ttfs_continuous", "relu", "first_spike")
loaded = cache(lambda name: ttfs_jax.load(f"zoo:{name}"))


def sizes(folder):
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_the_networks_by_name():
    assert set(NAMES) >= {"digits", "eye"}
    for wrong in ("digit", "", "digits/tree", "../zoo/digits"):
        with pytest.raises(InputError, match=f"choose one of {', '.join(NAMES)}$"):
            ttfs_jax.load(f"zoo:{wrong}")
    assert zoo.network_folder("runs/zoo:digits") == Path("runs/zoo:digits")
    assert zoo.network_folder(Path("zoo:digits")) == zoo.FOLDER / "digits"


@pytest.mark.parametrize("name", NAMES)
def test_a_network_gives_the_logits_that_it_gave(name):
    model, examples = loaded(name), zoo.load_examples(name)
    assert len(examples.images) == len(examples.labels) == reports.COUNT
    for code in ("ttfs", "relu"):
        expected = getattr(examples, code)
        largest = np.abs(expected).max()
        np.testing.assert_allclose(model(examples.images, code=code), expected, atol=1e-5 * largest)
    assert (np.ptp(examples.ttfs, axis=0) > 1e-2).all()  # a constant network would pass for one


@pytest.mark.parametrize("name", NAMES)
def test_the_codes_of_a_network_agree(name):
    model, examples = loaded(name), zoo.load_examples(name)
    report = ttfs_jax.compare(model.network, model.variables, model.architecture, examples.images)
    assert not report.failures
    assert report.max_rel_logit_error_unclipped < 1e-5


def test_the_accuracy_of_digits_is_the_one_written_down():
    model, test = loaded("digits"), datasets.load_dataset("digits").test
    metrics = model.meta["metrics"]
    right = (np.asarray(model.predict(test.images)) == test.labels).sum()
    assert right == round(metrics["ttfs"]["war"] * len(test.labels)) > 350
    twin = (np.asarray(model(test.images, code="relu")).argmax(1) == test.labels).sum()
    assert twin == round(metrics["relu"]["war"] * len(test.labels))


@pytest.mark.parametrize("name", NAMES)
def test_a_network_tells_where_it_is_from(name):
    meta, page = loaded(name).meta, PAGE.read_text(encoding="utf-8")
    metrics, run = meta["metrics"], meta["run"]
    for reading in (*(metrics[key] for key in RECALLS), metrics["before_fine_tuning"]["ttfs"]):
        assert 0.5 < reading["war"] <= 1
    assert 0 <= metrics["clip_rate"] < 1e-3 and not metrics["identity"]["failures"]
    assert len(meta["classes"]) == loaded(name).plan.classes
    assert {"seed", "split_seed", "machine", "commit", "environment"} <= set(run)
    assert run["command"] in page
    assert reports.page_row(zoo.FOLDER / name) in page
    assert sum(sizes(zoo.FOLDER / name).values()) < reports.LARGEST


def test_simulated_eyes_are_called_so():
    assert loaded("eye").meta["dataset"] == "simulated eye data"


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("mount"), reason="mounts a small disk")
def test_networks_are_loaded_from_a_read_only_disk(tmp_path, monkeypatch):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        shutil.copytree(zoo.FOLDER / "digits", tmp_path / "digits")
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(OSError):
            (tmp_path / "file").touch()
        monkeypatch.setattr(zoo, "FOLDER", tmp_path)
        before = sizes(tmp_path)
        examples = zoo.load_examples("digits")
        assert np.asarray(ttfs_jax.load("zoo:digits")(examples.images)).argmax(1).any()
        assert sizes(tmp_path) == before
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_damaged_examples_are_named(tmp_path, monkeypatch):
    shutil.copytree(zoo.FOLDER / "digits", tmp_path / "digits")
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    np.savez(tmp_path / "digits" / zoo.EXAMPLES, images=np.zeros(1))
    with pytest.raises(InputError, match="examples.npz is damaged"):
        zoo.load_examples("digits")
    (tmp_path / "digits" / "meta.json").unlink()
    with pytest.raises(InputError, match="unknown network of the zoo 'digits'"):
        zoo.load_examples("digits")


@pytest.fixture
def run(tmp_path):
    """Lay out a finished run, whose network is the one of digits."""
    folder, meta = tmp_path / "run", loaded("digits").meta
    (folder / "best").mkdir(parents=True)
    shutil.copytree(zoo.FOLDER / "digits", folder / "best" / "0")
    metrics = {"format": 2, "dataset": "digits", "best": [meta["metrics"]]}
    metrics |= {key: meta["run"][key] for key in ("environment", "seconds")}
    (folder / "config.json").write_text(json.dumps(meta["config"]))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


OPTIONS = ("--commit", "abc", "--machine", "a small one", "--json")


def test_a_run_is_put_into_the_zoo(run, tmp_path, capsys, monkeypatch):
    old, kept = loaded("digits"), zoo.load_examples("digits")
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "zoo")
    for _ in range(2):  # the second time in place of the first
        reports.main([str(run), "my-digits", *OPTIONS])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["bytes"] == sum(sizes(tmp_path / "zoo").values())
    assert result["row"].startswith("| `zoo:my-digits` | digits | 0.9972 | 0.9944 |")
    assert zoo.network_names() == ("my-digits",)
    new = ttfs_jax.load("zoo:my-digits")
    changed = {"commit": "abc", "machine": "a small one"}
    assert new.meta == {**old.meta, "run": {**old.meta["run"], **changed}}
    assert "--data digits --preset default --seed 0" in new.meta["run"]["command"]
    for one, other in zip(zoo.load_examples("my-digits"), kept, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_does_not_belong_into_the_zoo_is_refused(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "zoo")

    def refusal(folder=run, name="new"):
        with pytest.raises(SystemExit, match="2"):
            reports.main([str(folder), name, *OPTIONS])
        return capsys.readouterr().err

    assert "change 'My digits'" in refusal(name="My digits")
    assert "finished run" in refusal(tmp_path)
    monkeypatch.setattr(reports, "LARGEST", 1000)
    assert "bytes of at most 1000" in refusal()
    config = json.loads((run / "config.json").read_text())
    config["retrain"]["train"]["epochs"] = 61
    (run / "config.json").write_text(json.dumps(config))
    assert "the zoo takes runs of presets" in refusal()
    assert not (tmp_path / "zoo").exists()
