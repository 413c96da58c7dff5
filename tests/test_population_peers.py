"""The peers of the population benchmark compute what `Network` computes."""

import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.peers import population_naive, population_time_stepped, population_torch
from search.spaces.registry import make_space
from ttfs_jax.network.counts import count
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.support.errors import InputError
from ttfs_jax.tasks import Measured

pytestmark = pytest.mark.xdist_group("population_peers")

GENOTYPES = ((0, 1, 2, 3, 0, 1, 2, 0), (3, 3, 2, 1, 2, 2, 0, 1), (0, 0, 3, 0, 1, 0, 1, 1))
SPACE = make_space("conv", (28, 28, 1), 10)
TIMING = population_torch.Timing(batch=16, steps=2, warm_up=1, repeats=2, samples=40, threads=1)


@pytest.fixture(scope="module")
def drawn():
    """Draw images, parameters with norms that matter, and the network's function of both."""
    images, _ = population_torch.random_images(SPACE.spec, 6)
    network = Network(SPACE.spec)
    variables = initialise(network, jax.random.key(0))
    leaves, tree = jax.tree.flatten(variables["params"])
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noise = [0.1 * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    params = jax.tree.unflatten(tree, [a + b for a, b in zip(leaves, noise, strict=True)])

    @jax.jit
    def logits(genotype):
        variant = variables | {"params": params}
        out = network.apply(variant, images, SPACE.decode(genotype), batch_statistics=True)
        return out.logits

    return jnp.asarray(images), params, logits


def test_naive_network_is_the_network(drawn):
    images, params, logits = drawn

    @jax.jit
    def naive(genotype):
        return population_naive.forward(params, SPACE.spec, SPACE.decode(genotype), images)

    for genotype in jnp.asarray(GENOTYPES):
        np.testing.assert_allclose(naive(genotype), logits(genotype), atol=1e-4)


@pytest.mark.slow
def test_naive_population_is_timed():
    space = make_space("conv", (8, 8, 1), 3)
    genotypes = np.asarray(GENOTYPES[:2])
    seconds = population_naive.seconds_per_member_step(space, genotypes, batch=4, steps=1)
    assert seconds > 0.0


def described(genotype):
    return population_torch.native(SPACE, np.asarray(genotype))


def cut(params, genotype):
    """Cut what an architecture uses out of the parameters, layer by layer in PyTorch's order."""
    chosen = described(genotype)
    stages = np.repeat(np.arange(len(chosen.widths)), SPACE.spec.stage_blocks)
    layers = [(params["stem"], 5, 5, 1, chosen.widths[0])]
    for block, (operator, stage) in enumerate(zip(chosen.operators, stages, strict=True)):
        width = chosen.widths[stage]
        if block == SPACE.spec.stage_blocks[0]:
            layers.append((params["entry_0"], 3, 3, chosen.widths[0], width))
        first, second = (params[f"block_{block}"][part] for part in ("first", "second"))
        layers += {
            "skip": [],
            "conv3x3": [(first, 5, 3, width, width)],
            "conv5x5": [(first, 5, 5, width, width)],
            "residual": [(first, 5, 3, width, width), (second, 3, 3, width, width)],
        }[operator]
    area = int(np.prod(SPACE.spec.head_size))
    for layer, full, size, before, after in layers:
        kernel = np.asarray(layer["kernel"])
        square = kernel.reshape(full, full, -1, kernel.shape[-1])
        edge = (full - size) // 2
        square = square[edge : edge + size, edge : edge + size, :before, :after]
        yield square.transpose(3, 2, 0, 1), layer["scale"][:after], layer["bias"][:after]
    head, output, last = params["head"], params["output"], chosen.widths[-1]
    kernel = np.asarray(head["kernel"]).reshape(area, -1, SPACE.spec.head_width)
    kernel = kernel[:, :last, : chosen.head].transpose(2, 1, 0).reshape(chosen.head, -1)
    yield kernel, head["scale"][: chosen.head], head["bias"][: chosen.head]
    yield np.asarray(output["kernel"])[: chosen.head].T, output["bias"]


@pytest.mark.parametrize("genotype", GENOTYPES)
def test_torch_twin_is_the_network(drawn, genotype):
    torch = pytest.importorskip("torch")
    images, params, logits = drawn
    twin = population_torch.build_torch(SPACE.spec, described(genotype))
    own = iter(twin.parameters())
    with torch.no_grad():
        for leaf in (leaf for layer in cut(params, genotype) for leaf in layer):
            next(own).copy_(torch.tensor(np.asarray(leaf)))
        assert next(own, None) is None
        found = twin(torch.tensor(np.asarray(images)).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(found, logits(jnp.asarray(genotype)), atol=1e-4)


@pytest.mark.parametrize("genotype", GENOTYPES)
def test_torch_twin_has_the_parameters_counted(genotype):
    torch = pytest.importorskip("torch")
    names = ["stem", "entry_0", "head"]
    names += [f"block_{n}/{part}" for n in range(4) for part in ("first", "second")]
    silent = jnp.zeros((1, 1))
    measured = Measured(
        *[None] * 7,
        spikes=dict.fromkeys(names, silent),
        passed=dict.fromkeys(("input", "pool1", "body"), silent),
    )
    counted = count(SPACE.spec, SPACE.decode(jnp.asarray(genotype)), measured).params
    twin = population_torch.build_torch(SPACE.spec, described(genotype))
    norms = torch.nn.BatchNorm2d, torch.nn.BatchNorm1d
    # The scale of a norm folds into the weights, its bias into the threshold.
    folded = sum(len(m.weight) for m in twin.modules() if isinstance(m, norms))
    assert sum(p.numel() for p in twin.parameters()) - folded == counted


@pytest.mark.parametrize("channels_last", [False, True])
def test_torch_twins_are_timed_and_learn(channels_last):
    pytest.importorskip("torch")
    timing = replace(TIMING, channels_last=channels_last)
    architectures = [described(genotype) for genotype in GENOTYPES[:2]]
    seconds = population_torch.seconds_per_step(architectures, SPACE.spec, timing)
    assert len(seconds) == 2 and min(seconds) > 0.0
    images, labels = next(population_torch.batches(SPACE.spec, timing))
    step = population_torch.make_step(
        population_torch.build_torch(SPACE.spec, architectures[0]), timing
    )
    losses = [float(step(images, labels)) for _ in range(10)]
    assert losses[-1] < 0.5 * losses[0]


def test_torch_batches_are_shifted_and_mirrored():
    pytest.importorskip("torch")
    timing = replace(TIMING, batch=40)
    images, _ = population_torch.random_images(SPACE.spec, timing.samples)
    found, labels = next(population_torch.batches(SPACE.spec, timing))
    assert found.shape == (40, 1, 28, 28) and labels.shape == (40,)
    padded = np.pad(images[..., 0], ((0, 0), (2, 2), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (28, 28), (1, 2))
    windows = windows.reshape(-1, 28 * 28)
    for image in found.numpy()[:, 0]:
        both = np.stack([image, image[:, ::-1]]).reshape(2, -1)
        assert any((windows == one).all(1).sum() == 1 for one in both)


def test_time_stepped_twin_spikes_and_learns():
    pytest.importorskip("torch")
    snntorch = pytest.importorskip("snntorch")
    network = population_time_stepped.build_time_stepped(
        SPACE.spec, described(GENOTYPES[1]), time_steps=4
    )
    spikes = []
    for module in network.modules():
        if isinstance(module, snntorch.Leaky):
            module.register_forward_hook(lambda _, __, out: spikes.append(out.detach()))
    images, labels = next(population_torch.batches(SPACE.spec, TIMING))
    step = population_torch.make_step(network, TIMING)
    first = float(step(images, labels))
    assert len(spikes) == 4 * 9
    assert all(set(out.unique().tolist()) <= {0.0, 1.0} for out in spikes)
    assert 0.0 < np.mean([float(out.mean()) for out in spikes]) < 1.0
    for _ in range(15):
        last = float(step(images, labels))
    assert last < first


def test_architectures_are_described():
    found = described(GENOTYPES[0])
    operators = ("skip", "conv3x3", "conv5x5", "residual")
    assert found == population_torch.NativeArchitecture(operators, (8, 32), 128)


@pytest.mark.parametrize("package", ["torch", "snntorch"])
def test_a_missing_package_names_the_extra(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"pip install 'ttfs-jax\[bench\]'"):
        population_time_stepped.build_time_stepped(SPACE.spec, described(GENOTYPES[0]))
