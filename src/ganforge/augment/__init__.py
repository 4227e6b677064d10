"""Augmentation of everything the discriminator sees; differentiable, and part of the checkpoint.

Nothing in this package imports Lightning or Hydra.
"""
