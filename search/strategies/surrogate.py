"""A regression from genes to scores: trained architectures predict those that were not trained."""

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import BayesianRidge

from ttfs_jax.support.errors import InputError


class Prediction(NamedTuple):
    """What a surrogate expects of n genotypes."""

    mean: np.ndarray  # [n] expected score
    std: np.ndarray  # [n] standard deviation: of the weights, and of one score about its mean


class Surrogate:
    """A ridge regression on one-hot genes, its penalty and its noise estimated from the data.

    y = w · x + b with x the genes of a genotype, one-hot; w ~ N(0, 1/λ), noise ~ N(0, 1/α), and λ
    and α by the largest evidence. An effect of two genes together is not seen.

    It is fitted to the `scores` [n] of `genotypes` [n, G], choice indices; `choices` [G] counts the
    choices of each gene.

    Raises: InputError for fewer than two architectures, a score that is not finite, or a choice
    that its gene does not have.
    Source: Bayesian ridge, MacKay 1992, doi:10.1162/neco.1992.4.3.415, as in scikit-learn.
    """

    def __init__(self, genotypes: np.ndarray, scores: np.ndarray, *, choices: tuple[int, ...]):
        self.choices = tuple(choices)
        scores = np.asarray(scores, float)
        if len(scores) < 2 or not np.isfinite(scores).all():
            raise InputError("a surrogate needs two or more architectures with finite scores")
        self._regression = BayesianRidge().fit(self._one_hot(genotypes), scores)

    def predict(self, genotypes: np.ndarray) -> Prediction:
        """Predict the scores of `genotypes` [n, G]. Raises: InputError as for fitting."""
        if not len(genotypes):
            return Prediction(np.zeros(0), np.zeros(0))
        return Prediction(*self._regression.predict(self._one_hot(genotypes), return_std=True))

    def _one_hot(self, genotypes: np.ndarray) -> np.ndarray:
        """Spread choices [n, G] over indicators [n, Σ choices]."""
        genotypes = np.asarray(genotypes)
        if genotypes.shape[1:] != (len(self.choices),):
            raise InputError(
                f"genotypes must be [n, {len(self.choices)}], one choice per gene, "
                f"not {list(genotypes.shape)}"
            )
        if ((genotypes < 0) | (genotypes >= self.choices)).any():
            raise InputError(f"choices must be from 0 to below {list(self.choices)}, gene by gene")
        parts = [np.eye(count)[genotypes[:, n]] for n, count in enumerate(self.choices)]
        return np.concatenate(parts, 1)
