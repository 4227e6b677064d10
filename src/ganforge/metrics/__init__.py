"""Evaluation: protocols, feature extractors, and the published metrics on their features.

:func:`ganforge.metrics.functional.frechet_distance` compares two sets of samples without any of that. Nothing in this
package imports Lightning or Hydra, and this file not even torch: comparisons read the metrics' directions alone.
"""
