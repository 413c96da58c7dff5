"""A parametric right eye and the face around it, drawn as one smooth function of the pixel.

The picture plane is [−1, 1]², x to the right (towards the nose), y down, the eye in the middle.
All lengths are in these units, all constants here are chosen by eye unless a source is named.
Every edge is a few pixels soft, so that motion below a pixel changes the light as it does in a
camera.
"""

import jax
import jax.numpy as jnp
from flax import struct

LIGHTS = ("normal", "Overexposed", "Low", "HDR")
CORNER = 0.52  # half the distance between the corners of the eye


@struct.dataclass
class Person:
    """What distinguishes one eye from another; every field []."""

    skin: jax.Array  # reflectance
    hair: jax.Array  # reflectance of brow and lashes
    iris: jax.Array  # reflectance
    iris_radius: jax.Array  # in units of the picture plane
    aperture: jax.Array  # height of the relaxed upper lid over the corners
    lower: jax.Array  # depth of the lower lid under the corners
    tilt: jax.Array  # slant of the line between the corners
    crease: jax.Array  # height of the fold over the upper lid
    brow_height: jax.Array  # height of the brow over the eye
    brow_arch: jax.Array  # how far the brow bends
    brow_thickness: jax.Array  # of the brow
    brow_density: jax.Array  # 0 .. 1, darkness of the brow
    lash_length: jax.Array  # of the upper lashes
    makeup: jax.Array  # 0 .. 1, darkness of the lid line
    glasses: jax.Array  # 0 or 1
    texture: jax.Array  # phase of skin and hair
    seat_x: jax.Array  # where the headset sits on this head: displacement,
    seat_y: jax.Array  # to the right and down,
    seat_roll: jax.Array  # rotation in radians,
    seat_scale: jax.Array  # and distance


@struct.dataclass
class Pose:
    """What moves; every field [] (or [T] for a time course)."""

    gaze_x: jax.Array  # displacement of the iris, to the right
    gaze_y: jax.Array  # the same, down
    lid: jax.Array  # 1 relaxed, 0 closed, above 1 widened
    squeeze: jax.Array  # 0 .. 1, lower lid raised
    brow_inner: jax.Array  # height gained
    brow_outer: jax.Array  # the same of its outer end
    brow_in: jax.Array  # shift towards the nose
    cheek: jax.Array  # 0 .. 1, cheek raised, crow's-feet
    wrinkle: jax.Array  # 0 .. 1, nose wrinkled
    pupil: jax.Array  # radius over that of the iris
    slip_x: jax.Array  # displacement of the headset, to the right
    slip_y: jax.Array  # the same, down
    roll: jax.Array  # rotation of the headset, in radians


def draw_person(key: jax.Array) -> Person:
    """Draw an identity by `key`: uniform within human-like ranges, glasses and make-up for some."""
    ranges = {
        "skin": (0.28, 0.75),
        "hair": (0.03, 0.16),
        "iris": (0.08, 0.35),
        "iris_radius": (0.19, 0.23),
        "aperture": (0.16, 0.26),
        "lower": (0.07, 0.12),
        "tilt": (-0.06, 0.10),
        "crease": (0.05, 0.14),
        "brow_height": (0.42, 0.60),
        "brow_arch": (0.05, 0.18),
        "brow_thickness": (0.06, 0.13),
        "brow_density": (0.45, 0.95),
        "lash_length": (0.03, 0.11),
        "makeup": (-0.6, 0.8),
        "glasses": (-0.8, 0.2),
        "texture": (0.0, 100.0),
        "seat_x": (-0.15, 0.15),
        "seat_y": (-0.15, 0.15),
        "seat_roll": (-0.15, 0.15),
        "seat_scale": (0.85, 1.15),
    }
    traits = {
        name: jax.random.uniform(jax.random.fold_in(key, n), (), minval=low, maxval=high)
        for n, (name, (low, high)) in enumerate(ranges.items())
    }
    traits["makeup"] = jnp.maximum(traits["makeup"], 0.0)
    traits["glasses"] = (traits["glasses"] > 0.0).astype(jnp.float32)
    return Person(**traits)


def grid(size: int) -> tuple[jax.Array, jax.Array]:
    """Return x and y of every pixel centre of a square of edge `size`: [H, W] each."""
    centres = (jnp.arange(size) + 0.5) / size * 2.0 - 1.0
    x, y = jnp.meshgrid(centres, centres)
    return x, y


def _bump(distance, width):
    return jnp.exp(-0.5 * jnp.square(distance / width))


def _wave(angle):
    """Return a wave like the sine's, of parabolas: the same on every machine, and cheap."""
    turns = angle / (2.0 * jnp.pi)
    turns = turns - jnp.round(turns)
    return turns * (8.0 - 16.0 * jnp.abs(turns))


def _waves(u, v, phase, frequencies):
    """Sum plane waves into a fixed pattern of about unit amplitude, the cheapest of textures."""
    total = 0.0
    for n, frequency in enumerate(frequencies):
        angle = phase * (1.7 + n) + 2.4 * n
        along = u * jnp.cos(angle) + v * jnp.sin(angle)
        total = total + _wave(frequency * along + phase * (3.1 + n))
    return total / len(frequencies) ** 0.5


def render(person: Person, pose: Pose, *, size: int) -> jax.Array:
    """Draw the reflectance of the eye of `person` in a `pose`: [`size`, `size`], about 0 to 1.

    Back to front: skin with its folds, brow, eyeball, lids with lashes, glint, glasses.
    """
    soft = 1.5 / size
    x, y = grid(size)
    x, y = x - pose.slip_x - person.seat_x, y - pose.slip_y - person.seat_y
    roll = pose.roll + person.seat_roll
    x, y = (x + roll * y) / person.seat_scale, (y - roll * x) / person.seat_scale
    y = y - person.tilt * x

    def step(value):
        return jax.nn.sigmoid(value / soft)

    picture = _skin(person, pose, x, y)
    picture = _brow(person, pose, x, y, picture, step)

    across = jnp.clip(1.0 - jnp.square(x / CORNER), 0.0, None)
    open_height = person.aperture * pose.lid
    lower_edge = (person.lower * (1.0 - 0.75 * pose.squeeze)) * across
    closed_edge = 0.9 * lower_edge
    # The upper lid travels from its open curve to the edge of the lower one.
    share = jnp.clip(pose.lid, 0.0, 1.0)
    upper_edge = jnp.where(
        pose.lid > 1.0,
        -open_height * across**0.8,
        closed_edge * (1.0 - share) - person.aperture * share * across**0.8,
    )
    inside = step(y - upper_edge) * step(lower_edge - y) * step(CORNER - jnp.abs(x))
    eyeball = _eyeball(person, pose, x, y, upper_edge, step)
    picture = picture * (1.0 - inside) + eyeball * inside

    near = step(CORNER + 0.04 - jnp.abs(x))
    line = 0.014 + 0.012 * person.makeup
    picture = picture * (1.0 - near * (0.55 + 0.35 * person.makeup) * _bump(y - upper_edge, line))
    picture = picture * (1.0 - 0.35 * near * _bump(y - lower_edge, 0.012))
    fold = upper_edge - person.crease * (0.35 + 0.65 * share)
    picture = picture * (1.0 - 0.3 * near * _bump(y - fold, 0.016))
    # Lashes lean away from the middle and move with the upper lid.
    above = upper_edge - y
    comb = _wave(95.0 * (x - 0.6 * above * jnp.sign(x)) + person.texture)
    lashes = step(above) * step(person.lash_length - above) * jax.nn.sigmoid(4.0 * comb)
    picture = picture * (1.0 - 0.6 * near * lashes)
    # A frame with round corners: a norm between the circle and the square.
    rim = jnp.abs(((x / 0.92) ** 4 + ((y - 0.1) / 0.62) ** 4 + 1e-9) ** 0.25 - 1.0)
    return picture * (1.0 - 0.8 * person.glasses * _bump(rim, 0.025))


def _skin(person, pose, x, y):
    pattern = _waves(x, y, person.texture, (9.0, 17.0, 31.0, 47.0))
    picture = person.skin * (1.0 + 0.05 * pattern)
    picture = picture * (1.0 - 0.28 * _bump(jnp.hypot(x - 0.55, y + 0.05), 0.25))  # inner socket
    picture = picture * (1.0 + 0.15 * _bump(y - 0.65 + 0.12 * pose.cheek, 0.25))  # cheek
    # Bag under the eye, deepened and lifted by the cheek.
    bag = y - 0.22 + 0.06 * pose.cheek - 0.12 * jnp.square(x)
    picture = picture * (1.0 - (0.06 + 0.22 * pose.cheek) * _bump(bag, 0.02 + 0.01 * pose.cheek))
    # Crow's-feet fan out from the outer corner.
    out_x, out_y = -(x + CORNER), y - 0.02
    radius = jnp.hypot(out_x, out_y) + 1e-6
    fan = jax.nn.relu(out_x) / radius * _wave(9.0 * out_y / radius)
    feet = _bump(radius - 0.22, 0.1) * fan
    picture = picture * (1.0 - 0.3 * pose.cheek * jax.nn.relu(feet))
    # Wrinkles at the root of the nose, and the furrow between the brows.
    nose = _bump(jnp.hypot((x - 0.85) / 0.8, y - 0.05), 0.2)
    lines = jax.nn.relu(_wave(34.0 * (y + 0.5 * x) + 2.0 * pose.wrinkle))
    picture = picture * (1.0 - 0.5 * pose.wrinkle * nose * lines)
    furrow = _bump(x - 0.85 + 0.4 * pose.brow_in, 0.025) * _bump(y + 0.45, 0.15)
    return picture * (1.0 - 3.0 * jnp.clip(pose.brow_in, 0.0, 0.15) * furrow)


def _brow(person, pose, x, y, picture, step):
    along = (x - pose.brow_in + 0.72) / 1.4  # 0 at the outer end, 1 at the inner one
    lift = pose.brow_inner * jnp.clip(along, 0.0, 1.2) + pose.brow_outer * jnp.clip(
        1.0 - along, 0.0, 1.2
    )
    centre = -person.brow_height - lift - person.brow_arch * (1.0 - jnp.square(2.0 * along - 0.8))
    u, v = x - pose.brow_in, y - centre
    thickness = person.brow_thickness * (0.45 + 0.55 * jnp.clip(along, 0.0, 1.0))
    strands = _wave(80.0 * (u + 0.9 * v) + 2.0 * _wave(11.0 * u + person.texture))
    strands = jax.nn.sigmoid(3.0 * (strands + 2.0 * person.brow_density - 0.6))
    cover = step(thickness - jnp.abs(v)) * step(along) * step(1.0 - along) * strands
    return picture * (1.0 - cover) + person.hair * cover


def _eyeball(person, pose, x, y, upper_edge, step):
    gaze = jnp.hypot(x - pose.gaze_x, y - pose.gaze_y)
    white = 0.78 * (1.0 - 0.45 * jnp.square(x / CORNER))
    white = white * (1.0 - 0.45 * _bump(y - upper_edge, 0.06))  # shadow of the lid
    spokes = _wave(21.0 * (y - pose.gaze_y) / (gaze + 1e-6) + person.texture)
    iris = person.iris * (1.0 + 0.15 * spokes)
    iris = iris * (1.0 - 0.5 * _bump(gaze - person.iris_radius, 0.02))  # limbal ring
    pupil = step(pose.pupil * person.iris_radius - gaze)
    eyeball = white + (iris - white) * step(person.iris_radius - gaze)
    eyeball = eyeball * (1.0 - 0.95 * pupil)
    glint = _bump(jnp.hypot(x + 0.05 - 0.5 * pose.gaze_x, y + 0.06 - 0.5 * pose.gaze_y), 0.022)
    return eyeball + 0.9 * glint


def illuminate(reflectance: jax.Array, light: jax.Array, *, phase: jax.Array) -> jax.Array:
    """Turn reflectance [H, W] into the light at the sensor, in (0, 1].

    `light` [] is an index into `LIGHTS`, after the four conditions of SEE (Zhang et al. 2023,
    arXiv:2310.04043): normal, overexposed (most of the skin saturates), low (a few percent), and
    a high dynamic range from one side to the other, whose direction depends on `phase` [].
    """
    x, y = grid(reflectance.shape[0])
    direction = jnp.where(jnp.sin(phase) > 0.0, 1.0, -1.0)
    slope = jnp.exp(1.4 * direction * x + 0.3 * y)
    gains = jnp.array([0.75, 2.6, 0.03, 0.6])
    gain = gains[light] * jnp.where(light == 3, slope, 1.0)
    return jnp.clip(reflectance * gain, 1e-3, 1.0)
