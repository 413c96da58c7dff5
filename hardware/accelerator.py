"""The accelerator for time-to-first-spike networks of the YOSO papers, from one published figure.

Published is 0.751 mW and 47.71 ms for an MNIST image (Zhang et al. 2021, arXiv:2003.11837); the
accelerator is that of Srivatsa et al. 2020 (arXiv:2006.09982). The abstracts do not say which
network that was, nor which share of the power depends on its activity; the full papers were not
available to us.
"""

from dataclasses import dataclass

from hardware.target import Constant, Estimate, Range, Workload, exactly

_PAPER = "Zhang et al. 2021, arXiv:2003.11837, abstract"
POWER = Constant(exactly(0.751e-3), "W", f"an MNIST image; {_PAPER}")
LATENCY = Constant(exactly(47.71e-3), "s", f"an MNIST image; {_PAPER}")
IMAGE_ENERGY = 0.751e-3 * 47.71e-3
REFERENCE = Constant(
    Range(15e3, 173e3, 2e6),
    "SynOps/image",
    "assumed, as the network is not known: low a 784-100-10 one, as about 150 pixels of an MNIST "
    "image are not black; high a convolutional one; nominal their geometric mean",
)


@dataclass(frozen=True)
class Accelerator:
    """Energy scaled from one MNIST image."""

    name: str = "ttfs-accelerator"  # by which users choose it

    def estimate(self, workload: Workload) -> Estimate:
        """Estimate E = 35.8 µJ S / S₀ from the SynOps S, with S₀ those of the published network.

        S₀ is unknown, so low and high use its bounds; the share of energy that does not depend on
        activity is unknown too, so they also cover E = 35.8 µJ for any network. Latency and limits
        are unknown.

        Raises: InputError for a workload without counts.
        """
        synops, published = float(workload.total.synops), REFERENCE.value
        scale = Range(
            min(1.0, synops / published.high),
            synops / published.nominal,
            max(1.0, synops / published.low),
        )
        return Estimate(
            self.name,
            {"all": scale * IMAGE_ENERGY},
            None,
            constants={"power": POWER, "latency": LATENCY, "reference": REFERENCE},
            notes=(
                "scaled by SynOps from 35.8 µJ for an MNIST image and a network of unknown size: "
                "an order of magnitude at best",
                "whether it fits is not known",
            ),
        )
