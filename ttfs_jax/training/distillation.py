"""Distillation: a student learns the output probabilities of a teacher, such as an ensemble."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct

from ttfs_jax.codes import Code
from ttfs_jax.network.architecture import Architecture
from ttfs_jax.network.masked import Network, Variables
from ttfs_jax.population.program import map_members

# A function images [B, H, W, C] -> logits [B, K] that is a pytree of its variables (`Ensemble`, or
# `jax.tree_util.Partial`), or the logits [N, K] of all training images.
Teacher = Callable[[jax.Array], jax.Array] | jax.Array


def divergence(student: jax.Array, teacher: jax.Array, *, temperature: float) -> jax.Array:
    """Return how far a student's output is from its teacher's: τ² KL(teacher ‖ student).

    KL = Σ_k p_k log(p_k / q_k) with p = softmax(teacher / τ), q = softmax(student / τ), the mean
    over the batch; τ² keeps the size of the gradient. The teacher has no gradient.

    Shapes: logits student [B, K], teacher [B, K] -> [].
    Source: Hinton et al. 2015 (arXiv:1503.02531).
    """
    wanted = jax.nn.log_softmax(jax.lax.stop_gradient(teacher) / temperature)
    given = jax.nn.log_softmax(student / temperature)
    return temperature**2 * (jnp.exp(wanted) * (wanted - given)).sum(-1).mean()


@struct.dataclass
class Ensemble:
    """A teacher of several networks; a pytree, so that `jit` takes its variables as arguments."""

    variables: Variables  # each [P, ...]
    architectures: Architecture  # [P]
    network: Network = struct.field(pytree_node=False)
    code: str | Code = struct.field(pytree_node=False, default="relu")

    def __call__(self, images: jax.Array) -> jax.Array:
        """Return the logarithm of the members' mean probability: log Σ_m softmax(z_m) / P.

        Shapes: images [B, H, W, C] -> [B, K], logits of the mean.
        """

        def member(variables, architecture):
            logits = self.network.apply(variables, images, architecture, code=self.code).logits
            return jax.nn.log_softmax(logits)

        every = map_members(member, self.variables, self.architectures)
        return jax.nn.logsumexp(every, axis=0) - jnp.log(every.shape[0])


def ensemble(
    network: Network,
    variables: Variables,
    architectures: Architecture,
    *,
    code: str | Code = "relu",
) -> Ensemble:
    """Make a teacher of the members [P] of a population, averaged as probabilities.

    Shapes: variables and architectures [P, ...], of one maximal shape. The stored statistics of
    the norms are used: calibrate the members first. Pass the result to `jit` as an argument;
    closed over, its variables would be copied into the program.
    """
    return Ensemble(variables, architectures, network, code)
