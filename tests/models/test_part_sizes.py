"""How many samples networks see at once, and refusals of what cannot be computed on so few."""

import pytest
import torch
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.models.preflight import part_sizes, preflight


@given(share=st.integers(1, 200), processes=st.integers(1, 8), accumulate=st.integers(1, 250))
def test_they_are_those_of_the_batches_parts(share, processes, accumulate):
    parts = Batch(torch.zeros(share, 1), {}).split(accumulate)
    assert set(part_sizes(share * processes, processes, accumulate)) == {len(part.data) for part in parts}


@pytest.fixture
def refuses():
    """Return a function of overrides and part sizes that gives the sentence; empty where all is well."""

    def refuse(words, sizes):
        config = compose(["data=digits", "network.width=4", *words])
        try:
            preflight(instantiate(config.model), instantiate(config.data).example(), sizes)
        except GanforgeError as error:
            return str(error)
        return ""

    return refuse


@pytest.mark.parametrize("sizes", [[1], [2, 1]])
def test_a_batch_norm_over_one_sample(refuses, sizes):
    assert refuses(["model=infogan"], sizes).startswith("A batch norm would see one sample alone")


@pytest.mark.parametrize(
    ("words", "sizes"), [(["model=infogan"], [2]), (["model=infogan"], [64]), (["model=dcgan"], [1])]
)
def test_where_there_are_more_or_no_such_norms(refuses, words, sizes):
    assert refuses(words, sizes) == ""


def test_packs_that_do_not_divide_a_part(refuses):
    assert "does not divide a batch of 3" in refuses(["packing=pairs"], [4, 3])
