"""The nearest training images are the nearest, whatever the batches."""

import torch
from sampling_runs import CONDITIONAL, DCGAN

from ganforge.data.columns import Column
from ganforge.data.modality import Images
from ganforge.metrics.extractors import DigitClassifier
from ganforge.sampling import neighbours
from ganforge.sampling.neighbours import nearest


def flat(images):
    return images.flatten(1).float()


def test_nearest_agrees_with_looking_at_all_of_them():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (97, 3, 4, 4), generator=generator, dtype=torch.uint8)
    queries = torch.randint(256, (5, 3, 4, 4), generator=generator, dtype=torch.uint8)
    exact = torch.cdist(flat(queries), flat(images)).topk(6, largest=False).indices
    column = Column(images, Images(4, 3))
    for batch_size in (10, 97, 500):
        assert torch.equal(nearest(queries, column, flat, 6, batch_size), exact)
    assert torch.equal(nearest(images[[5, 40]], column, flat, 1, 10), torch.tensor([[5], [40]]))
    twice = column.take(torch.arange(97).repeat(2))
    assert torch.equal(nearest(images[[5]], twice, flat, 2, 10), torch.tensor([[5, 5 + 97]]))


def test_a_row_shows_neighbours_in_both_spaces(make_sampler):
    from test_pictures import cells, close

    sampler = make_sampler(CONDITIONAL)
    generated = sampler.draw(sampler.latents(3), sampler.labels(3))
    picture = cells(neighbours(sampler, n=3, count=2).pixels, 1 + 2 * 3)
    every = sampler.run.data.splits().train.data.read()
    network = DigitClassifier().load().module
    for first, embed in ((2, flat), (5, lambda images: network(images).features)):
        near = torch.cdist(embed(generated), embed(every)).topk(2, largest=False).indices
        shown = picture.unflatten(0, (3, 7))[:, first : first + 2]
        assert close(shown, every[near].expand(-1, -1, 3, -1, -1))
    assert close(picture[::7], generated.expand(-1, 3, -1, -1))
    assert "by pixels and by features" in neighbours(sampler, n=1).note
    assert "features" not in neighbours(make_sampler([*DCGAN, "protocol=[]"]), n=1).note
