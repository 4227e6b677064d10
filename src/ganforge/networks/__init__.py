"""Generators and discriminators: one paper, one file, both networks together.

The contract that every procedure, loss and term relies on:

* ``Generator(latent, condition=None) -> images``: ``latent`` is ``(n, latent_dim)``; images are
  ``(n, channels, h, w)`` in [-1, 1] or, for a linear output layer, around it.
* ``Discriminator(images, condition=None) -> Critique``: ``Critique.logits`` is ``(n,)``, unbounded, high for real; a
  discriminator without other heads may return that tensor alone.
* ``condition`` is ``None`` or what the run's ``conditioning`` gives: for labels an int64 tensor ``(n,)``.
* Every learnable parameter of a variant lives in these modules, class heads and code heads too.

Nothing in this package imports Lightning or Hydra.
"""
