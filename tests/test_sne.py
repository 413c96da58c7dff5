"""The event-driven engine, by hand."""

import numpy as np
import pytest

from hardware.sne import idle_share
from hardware.target import Workload
from hardware.targets import target
from ttfs_jax.network.counts import LayerCounts
from ttfs_jax.support.errors import InputError


def test_a_million_operations_by_hand():
    layer = LayerCounts(*(np.float32(value) for value in (0, 1e6, 0, 0, 0, 0, 0, 0, 0)))
    estimate = target("sne").estimate(Workload(784, 10, (layer,)))
    # 181 µJ for 3.7 % of the inputs: 58.7 of 80 µJ are explained by 1.2 %, 21.3 are not.
    assert idle_share() == pytest.approx((80 - 1.2 * 181 / 3.7) / 80)
    low, nominal, high = (1e6 * getattr(estimate.energy, end) for end in ("low", "nominal", "high"))
    assert [low, nominal, high] == pytest.approx([0.221, 0.221, 0.221 * 80 / 58.7], rel=1e-3)
    assert estimate.fits and estimate.latency is None and "engine alone" in str(estimate)


def test_a_workload_without_layers_is_refused():
    with pytest.raises(InputError, match=r"take counts.layer_counts"):
        target("sne").estimate(Workload(16, 7, ()))
