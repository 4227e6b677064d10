"""Evaluation: protocols, feature extractors, and the published metrics on their features.

:func:`frechet_distance` compares two sets of samples without any of that. Nothing in this package imports Lightning or
Hydra.
"""

from ganforge.metrics.functional import frechet_distance

__all__ = ["frechet_distance"]
