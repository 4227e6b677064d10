"""Inception's published weights cannot be shipped: a file of their layout with random values takes the same way in."""

import torch


def write(path):
    """Write 24 million random weights, with batch norms that do something, and return torch-fidelity's network."""
    from torch_fidelity import feature_extractor_inceptionv3 as fidelity

    original = fidelity.load_state_dict_from_url, fidelity.FeatureExtractorInceptionV3.load_state_dict
    fidelity.load_state_dict_from_url = lambda *_, **__: {}
    fidelity.FeatureExtractorInceptionV3.load_state_dict = lambda *_, **__: None
    try:
        network = fidelity.FeatureExtractorInceptionV3("random", ["2048", "logits_unbiased"], verbose=False)
    finally:
        fidelity.load_state_dict_from_url, fidelity.FeatureExtractorInceptionV3.load_state_dict = original
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(part.weight, generator=generator)
        elif isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1, generator=generator)
            part.running_var.uniform_(0.5, 1.5, generator=generator)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path)
    return network.eval()
