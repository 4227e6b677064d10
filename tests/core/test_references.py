"""What is said of references between keys that cannot be resolved."""

import pytest

from ganforge.core.config import compose
from ganforge.core.messages import error_message


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["latent=none"],
            "network.generator.latent_dim refers to 'latent.dim', which latent=none does not have: choose latent=coded "
            "or normal or uniform, or another network.",
        ),
        (
            ["data=ring"],
            "network.generator.image_size refers to 'data.image_size', which data=ring does not have: choose "
            "network=mlp_points, or another data.",
        ),
        (
            ["model=infogan", "latent=normal"],
            "network.discriminator.codes.categories refers to 'latent.categories', which latent=normal does not have: "
            "choose latent=coded, or another network.",
        ),
        (["~latent.dim"], "network.generator.latent_dim refers to 'latent.dim', which '~latent.dim' removes: leave"),
        (["~seed"], "data.seed refers to 'seed', which '~seed' removes: leave that out."),
        (
            ["network.width=${data.classs}"],
            "network.width refers to 'data.classs', which is not there; did you mean data.classes",
        ),
        (["network.width=${seed.x}"], "network.width refers to 'seed.x', which is not there; did you mean seed?"),
        (
            ["network.width=${nope}"],
            "network.width refers to 'nope', which is not there: see 'ganforge train --cfg job'",
        ),
        (
            ["network.width=${network.width}"],
            "network.generator.width refers to itself, perhaps by way of others: give",
        ),
        (
            ["network.width=${oc.env:NOT_SET}"],
            "network.generator.width reads the environment variable NOT_SET, which is not set: set it, or give",
        ),
        (
            ["network.width=${nope:3}"],
            "network.generator.width asks for '${nope:...}', and there is no such resolver: give",
        ),
    ],
)
def test_who_refers_to_what_and_what_to_choose(words, sentence):
    with pytest.raises(Exception) as raised:  # noqa: PT011 - OmegaConf's, of several kinds
        compose(words)
    assert error_message(raised.value, words).startswith(sentence)
