"""Feature extractors: stored samples to features for Fréchet distances and logits for the Inception Score."""

from ganforge.metrics.extractors.attributes import AttributeClassifier
from ganforge.metrics.extractors.base import Extractor, Features, Loaded
from ganforge.metrics.extractors.digits import DigitClassifier, StackedDigitClassifier
from ganforge.metrics.extractors.dinov2 import DinoV2
from ganforge.metrics.extractors.efficientnet import EfficientNetLite0, EfficientNetLite1
from ganforge.metrics.extractors.identity import Identity
from ganforge.metrics.extractors.inception import Inception

__all__ = [
    "AttributeClassifier",
    "DigitClassifier",
    "DinoV2",
    "EfficientNetLite0",
    "EfficientNetLite1",
    "Extractor",
    "Features",
    "Identity",
    "Inception",
    "Loaded",
    "StackedDigitClassifier",
]
