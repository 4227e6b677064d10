"""ganforge: a config-driven research framework for generative adversarial networks.

Importing this package imports no torch, so that ``ganforge --help`` and configuration errors answer at once.
"""

__version__ = "0.2.0"
