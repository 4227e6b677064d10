"""What ganforge asks of every part, as functions to hold parts of your own to.

Each takes a part and raises an ``AssertionError`` with a sentence for what does not hold. ganforge's own tests find
every part that it ships and call them; they need neither pytest nor Hydra::

    from ganforge.testing import check_loss

    def test_my_loss():
        check_loss(MyLoss())
"""

from ganforge.testing.augment import check_augment
from ganforge.testing.data import check_modality, check_source
from ganforge.testing.losses import check_loss, check_term
from ganforge.testing.metrics import check_extractor, check_metric
from ganforge.testing.networks import check_networks
from ganforge.testing.procedures import check_procedure

__all__ = [
    "check_augment",
    "check_extractor",
    "check_loss",
    "check_metric",
    "check_modality",
    "check_networks",
    "check_procedure",
    "check_source",
    "check_term",
]
