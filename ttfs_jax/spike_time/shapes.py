"""The check of a layer's arguments that all solvers share."""


def check_layer(times, weights) -> None:
    """Check that times are [I] and weights [I, O]. Raises: ValueError when they are not."""
    if times.ndim != 1 or weights.ndim != 2 or weights.shape[0] != times.shape[0]:
        raise ValueError(
            f"a solver needs times [I] and weights [I, O], not {times.shape} and "
            f"{weights.shape}; add a batch with jax.vmap or jax.lax.map"
        )
