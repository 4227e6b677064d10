"""Augmentations of what the discriminator sees, real and generated images alike.

The contract, with defaults that change nothing, is :class:`ganforge.augment.base.Augment`. Nothing in this
package imports Lightning or Hydra.
"""
