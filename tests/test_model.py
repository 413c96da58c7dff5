"""A trained network in use: transformations, chunks, kinds of images, what is refused."""

import dataclasses
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax import model
from ttfs_jax.codes.encoding import first_spike_readout
from ttfs_jax.model import Model, load, save_model
from ttfs_jax.network.architecture import Architecture, NetworkSpec, largest
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.kinds import Width, add, convolution, dense, readout
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.network.plan import Plan
from ttfs_jax.support.errors import InputError

pytestmark = pytest.mark.xdist_group("model")

SPEC = NetworkSpec((6, 5, 2), 3, (4, 4), (1, 1), 5)
META = {"dataset": "digits", "classes": ["a", "b", "c"]}
close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((7, *SPEC.image_shape)).astype(np.float32)


@pytest.fixture(scope="module")
def net(images):
    network = Network(SPEC)
    variables = initialise(network, jax.random.key(0))
    architecture = Architecture(
        operators=jnp.array([0, 3]),
        widths=jnp.array([4, 3]),
        head=jnp.array(5),
        time_bits=jnp.array(0),
    )
    converted = jax.jit(lambda v: fold(calibrate(network, v, architecture, images, margin=1.5)))
    variables = converted(variables)
    return Model(SPEC, architecture, variables, META)


@pytest.fixture(scope="module")
def logits(net, images):
    """Logits by the network itself, without the model around it."""
    apply = jax.jit(partial(Network(SPEC).apply, code="ttfs"))
    return apply(net.variables, images, net.architecture).logits


def first_spikes(net, logits):
    return first_spike_readout(logits, **net.variables["windows"]["output"]).argmin(-1)


def test_logits_and_both_readouts(net, images, logits):
    close(net(images), logits)
    np.testing.assert_array_equal(net.predict(images), logits.argmax(-1))
    spikes = net.predict(images, readout="first-spike")
    np.testing.assert_array_equal(spikes, first_spikes(net, logits))
    with pytest.raises(ValueError, match="readout must be"):
        net.predict(images, readout="last-spike")


def test_inside_jit_vmap_and_grad(net, images, logits):
    close(jax.jit(net)(images), logits)
    close(jax.jit(lambda: net(images))(), logits)
    each = jax.vmap(net)(images[:, None])
    close(each[:, 0], logits)
    for way in ("potential", "first-spike"):
        predicted = jax.jit(lambda x, name=way: net.predict(x, readout=name))(images)
        np.testing.assert_array_equal(predicted, net.predict(images, readout=way))


@pytest.mark.slow
def test_gradients_of_images_and_of_variables(net, images):
    def ours(variables, images):
        return (dataclasses.replace(net, variables=variables)(images) ** 2).sum()

    def direct(variables, images):
        out = net.network.apply(variables, images, net.architecture, code="ttfs")
        return (out.logits**2).sum()

    both = jax.jit(jax.grad(direct, (0, 1)))(net.variables, images)
    # The second argument alone traced, the first alone, and both.
    for arguments in (0, 1, (0, 1)):
        found = jax.grad(ours, arguments)(net.variables, images)
        expected = both if arguments == (0, 1) else both[arguments]
        # Two programs round apart: by no more than the last digit of the largest value.
        scale = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
        rounding = np.finfo(np.float32).eps * scale
        jax.tree.map(partial(close, atol=rounding), found, expected)
        assert scale > 1e-3


def test_the_model_as_an_argument(net, images, logits):
    traces = []

    @jax.jit
    def run(net, images):
        traces.append(1)
        return net(images)

    close(run(net, images), logits)
    same = dataclasses.replace(net, meta=dict(META))
    close(run(same, images), logits)
    assert len(traces) == 1
    other = dataclasses.replace(net, meta={"dataset": "other", "classes": []})
    run(other, images)
    assert len(traces) == 2
    assert jax.tree.map(lambda leaf: leaf, net).meta == META
    with pytest.raises(InputError, match="known architecture"):
        jax.jit(lambda net: net.signals(images)["stem"].values)(net)
    with pytest.raises(InputError, match="known model"):
        jax.jit(lambda net: net.timeline.end)(net)


def test_signals_within_jit_and_in_chunks(net, images, monkeypatch):
    whole = net.signals(images)
    assert list(whole) == [
        "input",
        "stem",
        "pool1",
        "entry_0",
        "block_1/first",
        "block_1/second",
        "head",
    ]
    compiled = jax.jit(net.signals)(images)
    monkeypatch.setattr(model, "CHUNK", 3)
    for found in (compiled, net.signals(images)):
        jax.tree.map(close, found, whole)


@pytest.mark.parametrize("count", [1, 3, 4, 6, 7])
def test_chunks_give_what_the_whole_does(net, images, logits, monkeypatch, count):
    sizes = []
    original = model._run

    def spy(network, variables, architecture, images, code, record):
        sizes.append(images.shape[0])
        return original(network, variables, architecture, images, code, record)

    monkeypatch.setattr(model, "CHUNK", 3)
    monkeypatch.setattr(model, "_run", spy)
    close(net(images[:count]), logits[:count])
    # One shape, and so one compilation, however many images there are.
    assert sizes == [min(count, 3)] * -(-count // 3)


def test_many_images_take_one_compilation(net, images):
    many = np.resize(images, (1000, *SPEC.image_shape))
    before = model._run._cache_size()
    net(many[:300])
    first = model._run._cache_size() - before
    assert net(many).shape == (1000, 3)
    assert (first, model._run._cache_size() - before) == (1, 1)


def test_an_empty_batch(net):
    for images in (np.zeros((0, *SPEC.image_shape)), jnp.zeros((0, *SPEC.image_shape))):
        assert net(images).shape == (0, 3)
        assert net.predict(images).shape == (0,)
        assert net.predict(images, readout="first-spike").shape == (0,)
        assert net.signals(images)["stem"].values.shape == (0, 6, 5, 4)
        assert jax.jit(net)(images).shape == (0, 3)


def test_kinds_of_images(net, images, logits):
    for same in (images.tolist(), images.astype(np.float64), jnp.asarray(images)):
        close(net(same), logits)
    binary = images > 0.5
    expected = net(binary.astype(np.float32))
    kinds = (bool, np.uint8, np.int64, np.float16, jnp.bfloat16)
    for kind in kinds:
        close(net(binary.astype(kind)), expected)
        close(jax.jit(net)(binary.astype(kind)), expected)
    close(net(binary.astype(int).tolist()), expected)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.full((1, 6, 5, 2), 255, np.uint8), "divide whole numbers up to 255 by 255"),
        (np.full((1, 6, 5, 2), np.nan), "finite and within"),
        (np.full((1, 6, 5, 2), -0.1), "clean and scale"),
        (np.zeros((6, 5, 2)), r"\[B, 6, 5, 2\], not \[6, 5, 2\]: give one image as images\[None\]"),
        (np.zeros((1, 5, 6, 2)), r"not \[1, 5, 6, 2\]"),
        (0.5, r"not \[\]"),
        ([[1.0], [1.0, 2.0]], "an array of numbers"),
        (np.zeros((1, 6, 5, 2), complex), "real numbers, not complex"),
        (np.full((1, 6, 5, 2), "x"), "real numbers, not <U1"),
        ([None], "real numbers, not object"),
    ],
)
def test_bad_images_are_named(net, bad, message):
    with pytest.raises(InputError, match=message):
        net(bad)


def test_shapes_are_checked_while_tracing_too(net):
    with pytest.raises(InputError, match=r"must be \[B, 6, 5, 2\]"):
        jax.jit(net)(jnp.zeros((1, 5, 6, 2)))
    with pytest.raises(InputError, match="real numbers"):
        jax.jit(net)(jnp.zeros((1, 6, 5, 2), complex))


def test_grey_images_without_channels_are_told_the_fix():
    plan = Plan((6, 5, 1), (readout("end", 2),))
    grey = Model(plan, largest(plan), initialise(Network(plan), jax.random.key(0)))
    with pytest.raises(InputError, match=r"give grey images as images\[..., None\]"):
        grey(np.zeros((3, 6, 5)))


def test_repr_is_short(net):
    assert repr(net) == "Model(6 × 5 × 2 images -> 3 classes, trained on digits)"
    assert "array" not in repr(dataclasses.replace(net, meta={}))


def test_saved_and_loaded(net, images, tmp_path):
    save_model(tmp_path / "seeds [0, 1]" / "0", net)
    back = load(tmp_path / "seeds [0, 1]" / "0")
    np.testing.assert_array_equal(back(images), net(images))
    assert (back.plan, back.meta) == (net.plan, META)


def test_a_checkpoint_of_the_first_format_gives_the_logits_that_it_gave():
    folder = Path(__file__).parent / "checkpoints"  # written by commit a583d97
    kept = np.load(folder / "format_1_logits.npz")
    old = load(folder / "format_1")
    for code in ("ttfs", "relu"):
        np.testing.assert_allclose(old(kept["images"], code=code), kept[code], atol=1e-6)


def test_a_plan_by_hand_saved_and_loaded(images, tmp_path):
    layers = (
        convolution("body/one", Width(4, "widths", 0)),
        convolution("two", 4, add="body/one", code="rate"),
        dense("three", 4, after="body/one"),
        dense("four", 4, after="two"),
        add("sum", ("three", "four")),
        readout("class", 3),
        readout("map", 1, kernel=3, after="two"),
    )
    plan = Plan(SPEC.image_shape, layers)
    variables = initialise(Network(plan), jax.random.key(0))
    hand_written = Model(plan, largest(plan, time_bits=4), variables)
    save_model(tmp_path / "own", hand_written)
    back = load(tmp_path / "own")
    assert (back.plan, back.meta) == (plan, {})
    assert int(back.architecture.time_bits) == 4
    np.testing.assert_array_equal(back(images), hand_written(images))


def test_a_network_of_readouts_alone_saved_and_loaded(images, tmp_path):
    plan = Plan(SPEC.image_shape, (readout("class", 3),))
    variables = fold(initialise(Network(plan), jax.random.key(0)))
    save_model(tmp_path / "linear", Model(plan, largest(plan), variables))
    assert load(tmp_path / "linear")(images).shape == (7, 3)


@pytest.mark.parametrize("count", [0, 3, 5])
def test_signals_with_steps_are_cut_and_joined_by_image(images, count, monkeypatch):
    plan = Plan(SPEC.image_shape, (convolution("a", 2, code="rate"), readout("b", 3)))
    own = Model(plan, largest(plan), initialise(Network(plan), jax.random.key(0)))
    whole = own.signals(images)["a"].values
    monkeypatch.setattr(model, "CHUNK", 2)
    parts = own.signals(images[:count])["a"].values
    assert parts.shape == (32, count, 6, 5, 2)
    np.testing.assert_array_equal(parts, whole[:, :count])


@pytest.mark.parametrize("key", ["plan", "spec"])
def test_what_a_checkpoint_has_itself_is_not_overwritten(net, key, tmp_path):
    with pytest.raises(InputError, match=f"meta cannot have the key {key}"):
        save_model(tmp_path / "net", dataclasses.replace(net, meta={key: "mine"}))
    assert not (tmp_path / "net").exists()


def test_arrays_of_another_network_are_named(net, tmp_path):
    wide = dataclasses.replace(net.plan, image_shape=(6, 5, 3))
    save_model(tmp_path / "net", Model(wide, net.architecture, net.variables))
    with pytest.raises(InputError, match="its arrays are not those of its network"):
        load(tmp_path / "net")
