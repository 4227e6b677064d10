"""Networks that read texts: official counts, what an encoder takes, and that a text changes what is drawn."""

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.latents import Normal
from ganforge.networks import df_gan, gan_int_cls
from ganforge.networks.text import Recurrent, Vectors
from ganforge.testing import check_networks

WORDS = ["a", "red", "blue", "circle", "square", "left", "of"]


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def convolution(inputs, outputs, kernel):
    """Weights of a convolution without bias and gains of the batch norm after it."""
    return inputs * outputs * kernel**2 + 2 * outputs


def bottleneck(width, narrow):
    return convolution(width, narrow, 1) + convolution(narrow, narrow, 3) + convolution(narrow, width, 3)


@pytest.mark.parametrize(
    ("build", "count"),
    [
        # tobran/DF-GAN 78f14fd7, counted by running its file; its D has shortcuts of 256 channels that it never calls.
        (lambda: df_gan.Generator(256, Vectors(256)), 9_744_131),
        (lambda: df_gan.Discriminator(256, Vectors(256)), 6_619_206 + 295_936 - 3 * (256 * 256 + 256)),
        # A stage less: a block of 256 to 256 channels.
        (
            lambda: df_gan.Generator(128, Vectors(256)),
            9_744_131 - 2 * (256 * 256 * 9 + 256) - 8 * (356 * 256 + 256 + 256 * 256 + 256),
        ),
        # reedscot/icml2016 db3f0c6d, main_cls_int.lua, by hand: its biases are set to 0 before each step, and left out.
        (
            lambda: gan_int_cls.Generator(64, Vectors(1024)),
            (1024 + 1) * 128
            + convolution(228, 1024, 4) + bottleneck(1024, 256)
            + convolution(1024, 512, 4) + bottleneck(512, 128)
            + convolution(512, 256, 4) + convolution(256, 128, 4) + 128 * 3 * 16,
        ),
        (
            lambda: gan_int_cls.Discriminator(64, Vectors(1024)),
            (1024 + 1) * 128 + 2 * 128
            + 3 * 64 * 16 + convolution(64, 128, 4) + convolution(128, 256, 4) + convolution(256, 512, 4)
            + bottleneck(512, 128) + convolution(512 + 128, 512, 1) + 512 * 16,
        ),
    ],
)  # fmt: skip
def test_official_count(build, count):
    with torch.device("meta"):
        assert parameters(build()) == count


def test_padding_changes_no_embedding_and_each_word_does():
    torch.manual_seed(0)
    encoder = Recurrent(WORDS, dim=6, width=4)
    short = torch.tensor([[1, 2, 4, 0, 0]])
    torch.testing.assert_close(encoder(short), encoder(short[:, :3]))
    other = torch.tensor([[1, 3, 4, 0, 0], [2, 1, 4, 0, 0], [1, 2, 5, 0, 0], [1, 2, 4, 1, 0]])
    assert (encoder(other) - encoder(short)).abs().sum(1).min() > 1e-3
    assert encoder(short).abs().max() < 1


def test_several_texts_are_averaged_and_embeddings_pass():
    encoder = Recurrent(None, dim=6, width=4)
    texts = torch.randint(1, 256, (3, 2, 5))
    averaged = (encoder(texts[:, 0]) + encoder(texts[:, 1])) / 2
    torch.testing.assert_close(encoder(texts), averaged)
    assert encoder(averaged) is averaged


def test_fixed_word_vectors_are_not_trained():
    table = torch.eye(len(WORDS))
    encoder = Recurrent(WORDS, dim=6, words=lambda words: table[: len(words)])
    assert torch.equal(encoder.words.weight, torch.cat([torch.zeros(1, len(WORDS)), table]))
    assert not encoder.words.weight.requires_grad
    assert encoder(torch.tensor([[1, 2, 0]])).requires_grad


@pytest.mark.parametrize("family", [gan_int_cls, df_gan])
@pytest.mark.parametrize("size", [8, 32])
def test_networks_fit_together(family, size):
    torch.manual_seed(0)
    small = {"text": Vectors(5), "channels": 3, "width": 4}
    generator, discriminator = family.Generator(size, latent_dim=6, **small), family.Discriminator(size, **small)

    check_networks(generator, discriminator, shape=(3, size, size), latent=Normal(6), source=(5,))
    texts = torch.randn(4, 5)
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            if "gain.2" in name or "bias.2" in name or name.endswith("gain"):
                torch.nn.init.normal_(parameter)  # DF-GAN's fusion is the identity at first
    latent, images = torch.randn(4, 6), torch.randn(4, 3, size, size)
    assert not torch.allclose(generator(latent, texts), generator(latent, texts.roll(1, 0)))
    logits = discriminator(images, texts).logits
    assert not torch.allclose(logits, discriminator(images, texts.roll(1, 0)).logits)
    torch.testing.assert_close(logits, discriminator(images, discriminator.embed(texts)).logits)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: df_gan.Generator(32, None), "network=df_gan reads texts: add text_encoder=gru"),
        (
            lambda: gan_int_cls.Discriminator(48, Vectors(4)),
            "network=gan_int_cls needs data.image_size to be 8, 16, 32",
        ),
        (lambda: df_gan.Discriminator([32, 16], Vectors(4)), "network=df_gan takes square images"),
        (lambda: Vectors(4)(None), "the condition is none: set conditioning=text, and choose data with captions"),
        (lambda: Vectors(4)(torch.rand(2, 5)), r"embeddings \(n, 4\), and the condition is float32 \(2, 5\)"),
        (lambda: Vectors(4)(torch.arange(3)), r"the condition is int64 \(3,\)"),
        (lambda: Vectors(4)(torch.ones(2, 3, dtype=torch.int64)), "text_encoder=vectors reads embeddings"),
        (lambda: Recurrent(None, words=lambda words: torch.eye(3)), "these texts are bytes: list the words"),
        (lambda: Recurrent(WORDS, dim=0), "text_encoder: dim must be a whole number >= 1, got 0"),
    ],
)
def test_refusals(call, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        call()
