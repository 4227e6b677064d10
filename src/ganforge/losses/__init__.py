"""Adversarial losses, and the penalties and auxiliary terms added to them.

Losses and terms are pure functions of tensors: they never log, never step an optimizer, and run without a Trainer.
Nothing in this package imports Lightning or Hydra.
"""
