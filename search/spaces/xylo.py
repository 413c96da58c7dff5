"""The search space of networks for the chip: inputs, layers, pace, decay and mapping."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hardware.xylo.mappings.native import Dynamics
from search.config import MAPPINGS, Config
from search.loop.genes import Gene, Genes, idle_last
from search.spaces.features import Features, fits
from ttfs_jax.datasets import Dataset
from ttfs_jax.datasets.eye.dataset import config_of
from ttfs_jax.support.errors import InputError

# 12 to 16 features each; the images determine which of them are possible.
GRIDS = tuple(
    Features(*choice)
    for choice in (
        (4, 4),
        (3, 4),
        (2, 8),
        (8, 2),
        (4, 2, 1, 2),
        (2, 4, 1, 2),
        (8, 1, 1, 2),
        (4, 2, 2),
        (2, 4, 2),
        (4, 1, 4),
        (2, 2, 4),
        (4, 1, 2, 2),
    )
)
FIRST, LATER = (16, 24, 32, 48, 64), (0, 16, 24, 32, 48, 64)
PACES = ("8/16", "16/24", "16/32", "24/32")
DECAYS = ("2/3", "3/4", "4/5", "5/6")
BASELINE = (60, 40)  # hidden layers of the fixed baseline network


@dataclass(frozen=True)
class Candidate:
    """The network that a genotype stands for."""

    features: Features
    """How images are pooled to inputs."""
    number: int
    """Index of the features among those of the space."""
    widths: tuple[int, ...]
    """Neurons of every hidden layer, one to three."""
    window: int
    """Steps in which inputs spike (native), or steps of every window (exact)."""
    steps: int
    """Steps of an inference (native)."""
    dash_syn: int
    """Decay of the synaptic currents, in bits (native)."""
    dash_mem: int
    """Decay of the membrane potentials, in bits (native)."""
    mapping: str
    """How it gets onto the chip: native or exact."""

    @property
    def dynamics(self) -> Dynamics:
        """Give window and decays as numbers for the core."""
        return Dynamics(
            *(
                np.asarray(value, np.float32)
                for value in (self.window, self.dash_syn, self.dash_mem)
            )
        )

    @property
    def numbers(self) -> tuple[int, ...]:
        """Encode the network as integers; equal ones are the same network."""
        native = self.mapping == "native"
        core = (self.steps, self.dash_syn, self.dash_mem) if native else (0, 0, 0)
        return (*self.features, self.window, *core, MAPPINGS.index(self.mapping), *self.widths)

    @property
    def architecture(self) -> dict[str, str]:
        """Name the parts of the network; an exact one has neither steps nor decays."""
        native = self.mapping == "native"
        return {
            "features": str(self.features),
            "layers": "-".join(map(str, (self.features.count, *self.widths))),
            "pace": f"{self.window}/{self.steps}" if native else str(self.window),
            "decay": f"{self.dash_syn}/{self.dash_mem}" if native else "none",
            "mapping": self.mapping,
        }


@dataclass(frozen=True)
class XyloSpace(Genes):
    """A named set of networks with at most 16 inputs.

    Genes in order: features, three widths, pace, decay, mapping.
    """

    name: str
    """Name by which users choose the space."""
    image_shape: tuple[int, int, int]
    """Height, width and channels."""
    classes: int
    """Outputs."""
    polarities: int
    """2 for images with ON and OFF channels, else 1."""
    grids: tuple[Features, ...]
    """The ways to pool an image, by the first gene."""
    genes: tuple[Gene, ...]
    """The choices, in the order above."""

    @property
    def widest(self) -> int:
        """Give the most neurons of a layer, those of the baseline included."""
        return max(*FIRST, *BASELINE)

    @property
    def groups(self) -> tuple[int, ...]:
        """Group the two widths that may be 0, and the genes that depend on the mapping."""
        return 1, 1, 2, 3

    def canonical(self, genotypes: np.ndarray) -> np.ndarray:
        """Return the genotypes that represent the same networks: [..., G] -> [..., G].

        Layers of width 0 come last. An exact network has no decays, and uses only the window of its
        pace: it is represented by the first decay and the first pace of that window.
        """
        genotypes = np.array(genotypes, np.int32)
        genotypes[..., 2:4] = idle_last(genotypes[..., 2:4], LATER.index(0))
        windows = [pace.split("/")[0] for pace in PACES]
        same = np.array([windows.index(window) for window in windows])
        pace, decay, mapping = np.moveaxis(genotypes[..., 4:], -1, 0)
        exact = np.array([choice == "exact" for choice in self.genes[6].choices])[mapping]
        genotypes[..., 4] = np.where(exact, same[pace], pace)
        genotypes[..., 5] = np.where(exact, 0, decay)
        return genotypes

    def decode(self, genotype: np.ndarray) -> Candidate:
        """Turn a genotype [G] into a candidate; a layer of width 0 is left out."""
        choices = self.describe(genotype)
        window, steps = map(int, str(choices["pace"]).split("/"))
        dash_syn, dash_mem = map(int, str(choices["decay"]).split("/"))
        widths = [int(choices[f"width_{n}"]) for n in range(3)]
        number = int(np.asarray(genotype)[0])
        return Candidate(
            features=self.grids[number],
            number=number,
            widths=tuple(width for width in widths if width),
            window=window,
            steps=steps,
            dash_syn=dash_syn,
            dash_mem=dash_mem,
            mapping=str(choices["mapping"]),
        )


def xylo_space(
    image_shape: tuple[int, int, int],
    classes: int,
    *,
    polarities: int,
    mappings: tuple[str, ...] = MAPPINGS,
) -> XyloSpace:
    """Build the space for images of `image_shape`, whose channels are frames × polarities.

    `mappings` are the ways onto the chip that candidates may take.

    Raises: InputError if no grid divides the images, or for more classes than outputs.
    """
    grids = tuple(g for g in GRIDS if fits(g, image_shape, polarities=polarities))
    if not grids:
        raise InputError(
            f"no grid of --space xylo divides images of {image_shape}: choose an edge that is a "
            "multiple of 4"
        )
    genes = (
        Gene("features", tuple(map(str, grids))),
        Gene("width_0", FIRST),
        Gene("width_1", LATER),
        Gene("width_2", LATER),
        Gene("pace", PACES),
        Gene("decay", DECAYS),
        Gene("mapping", mappings),
    )
    return XyloSpace("xylo", image_shape, classes, polarities, grids, genes)


def xylo_options(data: Dataset, config: Config) -> dict[str, Any]:
    """Return how `data` are read, and the mappings of `config`: options of `xylo_space`."""
    return {
        "polarities": 1 if config_of(data.source) is None else 2,
        "mappings": tuple(one for one in MAPPINGS if one in config.xylo.mappings),
    }
