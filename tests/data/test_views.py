"""Smaller images made from larger ones, and pairs taken apart."""

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from PIL import Image

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import SOURCE
from ganforge.data.glyphs import Glyphs
from ganforge.data.modality import Images
from ganforge.data.views import Unpaired, downscale


def test_downscaling_is_pillow_s_bicubic() -> None:
    images = torch.randint(0, 256, (3, 3, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for scale in (2, 4):
        size = (32 // scale, 48 // scale)
        small = downscale(images, size)
        for image, mine in zip(images, small, strict=True):
            page = Image.fromarray(image.permute(1, 2, 0).numpy())
            expected = np.asarray(page.resize(size[::-1], Image.Resampling.BICUBIC)).astype(int)
            difference = np.abs(mine.permute(1, 2, 0).numpy().astype(int) - expected)
            assert difference.max() <= 2  # Pillow rounds after each of two passes
            assert difference.mean() < 0.3


@pytest.mark.parametrize(("scale", "size"), [(4, 8), (2, 16)])
def test_digits_from_smaller_ones(scale: int, size: int) -> None:
    overrides = [f"data.source.scale={scale}", f"data.given.source.image_size={size}"]
    data = instantiate(compose(["data=mnist5k_x4", *overrides]).data)
    for split in (data.splits().train, data.splits().heldout):
        assert split.data.values.shape[1:] == (1, 32, 32)
        rows = torch.tensor([0, 5, len(split) - 1])
        assert torch.equal(split.given[SOURCE][rows], downscale(split.data[rows], (size, size)))
    plain = instantiate(compose(["data=mnist5k"]).data).splits()
    assert plain.train.data.fingerprint == data.splits().train.data.fingerprint


def test_sizes_that_do_not_match() -> None:
    data = instantiate(compose(["data=mnist5k_x4", "data.image_size=64"]).data)
    with pytest.raises(GanforgeError, match=r"data\.image_size is 64 x 64, and 4 times .* is 32 x 32: change one"):
        data.splits()


def test_pairs_taken_apart_for_training_and_kept_for_scoring() -> None:
    paired, apart = (source.load(Images(16, 1)) for source in (Glyphs(), Unpaired(Glyphs())))
    assert apart.heldout.paired
    assert torch.equal(apart.heldout.given[SOURCE].read(), paired.heldout.given[SOURCE].read())
    train = apart.train
    assert not train.paired
    assert [*train.given] == [SOURCE]
    assert torch.equal(train.data.read(), paired.train.data.read())
    rows, before = (split.given[SOURCE].read() for split in (train, paired.train))
    assert sorted(row.numpy().tobytes() for row in rows) == sorted(row.numpy().tobytes() for row in before)
    assert (rows == before).all((1, 2, 3)).float().mean() < 0.1
    with pytest.raises(GanforgeError, match="no column 'source' to take its pairs apart"):
        Unpaired(Glyphs(source=None)).load(Images(16, 1))
