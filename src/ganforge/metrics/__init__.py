"""Evaluation: protocols, feature extractors, and the published metrics on their features.

Nothing in this package imports Lightning or Hydra.
"""
