"""Use a trained network on files: recordings, images, arrays."""

from ttfs_jax.prediction.classifier import MODELS, Classifier, ModelClassifier, open_classifier
from ttfs_jax.prediction.files import classify_files
from ttfs_jax.prediction.recordings import Reading, classify_clips, classify_recording

__all__ = [
    "MODELS",
    "Classifier",
    "ModelClassifier",
    "Reading",
    "classify_clips",
    "classify_files",
    "classify_recording",
    "open_classifier",
]
