"""Every option shown is read: configs note what whole runs and data sets read of them."""

import dataclasses
import sys
from types import ModuleType, SimpleNamespace

import pytest
from own_data import write_npz
from recorded import recorded
from rich.console import Console
from see_tree import make_tree
from small_spaces import tiny_space
from test_own_events import CLIPS, write_folders
from test_own_folder import write_folder
from test_own_idx import write_idx
from test_own_tonic import NMNIST, write_nmnist

import search
from search import evolve
from search.config import SharedConfig, StageConfig
from search.options import option_fields, shown_options
from search.spaces.registry import SPACES, SpaceEntry
from search.strategies.registry import STRATEGIES
from ttfs_jax import datasets
from ttfs_jax.datasets import DATASETS, fashion_mnist

CONV = (
    "--preset=smoke --supernet.train.epochs=1 --evolution.population=4 --evolution.generations=1"
    " --retrain.top=1 --retrain.train.epochs=1 --retrain.fine-tune.epochs=1"
).split()
CHIP = (
    "--preset=smoke --space=xylo --evolution.population=4 --evolution.generations=1 --xylo.front=1"
    " --xylo.train.epochs=1 --xylo.retrain.epochs=1 --xylo.relu.epochs=1"
    " --xylo.relu-retrain.epochs=1 --xylo.no-referee"
).split()
RUNS = {
    "fitness": [*CONV, "--space=tiny"],
    "front": [*CONV, *"--space=tiny --objectives war energy --limits params=1e6".split()],
    "chip": CHIP,
}


def reads_of(arguments, monkeypatch):
    """Run a command, and return its config and the names of all that was read of it."""
    reads, recipes, parse = set(), set(), evolve.parse
    put_together = SharedConfig.recipe

    def noted(*given, **named):
        command = parse(*given, **named)
        return dataclasses.replace(command, config=recorded(command.config, reads))

    def recipe(self, *given, **named):
        return recorded(put_together(self, *given, **named), recipes)

    monkeypatch.setitem(SPACES, "tiny", SpaceEntry(tiny_space))
    monkeypatch.setattr(SharedConfig, "recipe", recipe)
    monkeypatch.setattr(evolve, "parse", noted)
    evolve.execute(arguments, Console(quiet=True))
    monkeypatch.setattr(evolve, "parse", parse)
    return parse(arguments).config, reads, recipes


@pytest.mark.slow
@pytest.mark.parametrize("kind", RUNS)
def test_a_run_reads_every_option_that_it_shows_and_no_other(kind, tmp_path, monkeypatch):
    data = write_npz(tmp_path / "mine.npz")
    arguments = [*RUNS[kind], "--data=npz", f"--data-dir={data}", f"--run-dir={tmp_path / 'run'}"]
    config, reads, recipes = reads_of(arguments, monkeypatch)
    assert shown_options(config) - reads == set()
    leaves = set(option_fields(config))
    assert (reads & leaves) - shown_options(config) == set()
    if kind != "chip":  # what options become is read, too
        assert recipes >= {"epochs", "learning_rate", "batch_size", "activity_penalty"}
        assert recipes >= {field.name for field in dataclasses.fields(SharedConfig)}


def test_an_option_that_nothing_reads_is_noticed(monkeypatch):
    """The proof above can fail: an option is added, as one would be, and a run made."""
    larger = dataclasses.make_dataclass(
        "StageConfig", [("momentum", float, 0.9)], bases=(StageConfig,), frozen=True
    )
    config = search.preset("digits", "smoke")
    with_option = dataclasses.replace(
        config, supernet=dataclasses.replace(config.supernet, train=larger(1))
    )
    assert "supernet.train.momentum" in shown_options(with_option)
    reads = set()
    STRATEGIES["inherited"].recipes(recorded(with_option, reads))
    assert {"supernet.train.epochs", "supernet.batch_size", "train.balanced"} <= reads
    assert "supernet.train.momentum" not in reads


def made_data(data, folder):
    """Write a small data set, and return the values of its options."""
    digits = {"train": "train-{}-idx{}-ubyte", "test": "t10k-{}-idx{}-ubyte"}
    makers = {
        "npz": lambda: {"data_dir": write_npz(folder / "mine.npz")},
        "idx": lambda: {"data_dir": write_idx(folder / "mine")},
        "mnist": lambda: {"data_dir": write_idx(folder / "mine", classes=10)},
        "folder": lambda: {"data_dir": write_folder(folder / "mine"), "size": 8},
        "events": lambda: {"data_dir": write_folders(folder / "mine"), "clips": CLIPS},
        "tonic": lambda: {
            "data_dir": write_nmnist(folder),
            "set_name": "NMNIST",
            "clips": CLIPS,
        },
        "eye": lambda: {
            "eye": datasets.EyeConfig(size=8, pool=1, subjects=8, draws=1, test_draws=1)
        },
        "see": lambda: {
            "data_dir": make_tree(folder / "see", people=12),
            "eye": datasets.FoldConfig(size=16, pool=1, frames=1, stride=1, folds=3),
        },
        "fashion-mnist": lambda: {"data_dir": write_idx(folder / "mine", classes=10, **digits)},
        "digits": lambda: {},
    }
    return makers[data]()


@pytest.mark.parametrize("data", DATASETS)
def test_a_data_set_reads_every_option_of_its_own(data, tmp_path, monkeypatch):
    module = ModuleType("tonic")
    module.datasets = SimpleNamespace(NMNIST=NMNIST)
    monkeypatch.setitem(sys.modules, "tonic", module)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options, reads = datasets.make_options(data, **made_data(data, tmp_path)), set()
    monkeypatch.setattr(fashion_mnist, "VALIDATION_IMAGES", 10)
    DATASETS[data].load(recorded(options, reads), split_seed=0)
    assert set(option_fields(options)) - reads == set()
