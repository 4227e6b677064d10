"""Each picture holds, at each place, the image that its caption promises."""

import io
import math

import pytest
import torch
from PIL import Image
from sampling_runs import CONDITIONAL, DCGAN, INFOGAN, STYLES

from ganforge.core.errors import GanforgeError
from ganforge.sampling import classes, grid, interpolate, style_mixing, traverse, truncation
from ganforge.sampling.interpolation import linear, spherical
from ganforge.sampling.results import Film


def cells(picture, columns, size=8, padding=2):
    """Cut a grid into its images, ``(n, 3, size, size)``, row by row."""
    step = size + padding
    rows = (picture.shape[-2] - padding) // step
    corners = [(padding + row * step, padding + column * step) for row in range(rows) for column in range(columns)]
    return torch.stack([picture[:, y : y + size, x : x + size] for y, x in corners])


def drawn(sampler, latents, labels=None):
    return sampler.draw(latents, labels).expand(-1, 3, -1, -1)


def close(one, other):
    return (one.int() - other.int()).abs().max() <= 1


def test_grid_and_its_columns(make_sampler):
    plain = make_sampler(DCGAN)
    assert close(cells(grid(plain, n=9).pixels, 3), drawn(plain, plain.latents(9)))
    labelled = make_sampler(CONDITIONAL)
    by_class = cells(grid(labelled, n=20).pixels, 10)
    assert close(by_class, drawn(labelled, labelled.latents(20), torch.arange(20) % 10))
    only = cells(grid(labelled, n=4, label=7, columns=4).pixels, 4)
    assert close(only, drawn(labelled, labelled.latents(4), torch.full((4,), 7)))


def test_a_row_of_classes_changes_the_class_alone(make_sampler):
    sampler = make_sampler(CONDITIONAL)
    picture = cells(classes(sampler, n=3, classes=[4, 2]).pixels, 3)
    for row, label in enumerate((4, 2)):
        assert close(picture[3 * row : 3 * row + 3], drawn(sampler, sampler.latents(3), torch.full((3,), label)))
    everything = classes(sampler, n=2)
    assert len(cells(everything.pixels, 2)) == 20
    assert not close(picture[:3], picture[3:])


def test_rows_of_truncation(make_sampler):
    sampler = make_sampler(DCGAN)
    picture = cells(truncation(sampler, n=4, values=[1.0, 0.2]).pixels, 4)
    short = sampler.prior.truncate(sampler.latents(4), 0.2)
    assert close(picture[4:], drawn(sampler, short))
    assert not close(picture[4:], picture[:4])
    for overrides, rows in ((DCGAN, 4), (STYLES, 5), (INFOGAN, 4)):
        assert len(cells(truncation(make_sampler(overrides), n=2).pixels, 2)) == 2 * rows


def test_mixed_styles_come_from_their_row_and_column(make_sampler):
    sampler = make_sampler(STYLES)
    picture = cells(style_mixing(sampler, n=2, cut=1).pixels, 3)
    styles = sampler.styles(sampler.latents(4))
    assert (picture[0] == 255).all()
    assert close(picture[1:3], drawn(sampler, sampler.latents(4))[2:])
    assert close(picture[[3, 6]], drawn(sampler, sampler.latents(4))[:2])
    mixed = torch.cat([styles[1, :1], styles[2, 1:]])
    assert close(picture[7], sampler.synthesise(mixed[None])[0].expand(3, -1, -1))
    assert not close(picture[7], picture[1])


def test_walks_on_the_line_and_on_the_sphere():
    start, end = torch.eye(3)[:1], torch.eye(3)[1:2]
    assert torch.allclose(linear(start, end, 3)[0, 1], torch.tensor([0.5, 0.5, 0]))
    assert torch.allclose(spherical(start, end, 3)[0, 1], torch.tensor([1, 1, 0]) / math.sqrt(2))
    start, end = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0)).unbind(0)
    for walk in (linear, spherical):
        points = walk(start, end, 6)
        assert points.shape == (5, 6, 7)
        assert torch.allclose(points[:, 0], start, atol=1e-5)
        assert torch.allclose(points[:, -1], end, atol=1e-5)
    unit = [torch.nn.functional.normalize(points, dim=-1) for points in (start, end)]
    path = spherical(*unit, 9)
    assert torch.allclose(path.norm(dim=-1), torch.ones(5, 9), atol=1e-5)
    angles = (path[:, 1:] * path[:, :-1]).sum(-1)
    assert torch.allclose(angles, angles[:, :1].expand_as(angles), atol=1e-5), "equal angles between steps"
    assert torch.allclose(spherical(start, start, 4), linear(start, start, 4))
    assert spherical(start, -start, 4).isfinite().all()


def test_a_strip_begins_and_ends_with_two_images(make_sampler):
    sampler = make_sampler(CONDITIONAL)
    strip = cells(interpolate(sampler, n=3, steps=4).pixels, 4)
    ends = sampler.latents(6)
    assert close(strip[::4], drawn(sampler, ends[::2], torch.tensor([0, 2, 4])))
    assert close(strip[3::4], drawn(sampler, ends[1::2], torch.tensor([0, 2, 4])))
    styled = make_sampler(STYLES)
    between = cells(interpolate(styled, n=1, steps=3, space="style").pixels, 3)
    middle = styled.styles(styled.latents(2)).mean(0, keepdim=True)
    assert close(between[1:2], styled.synthesise(middle).expand(-1, 3, -1, -1))


def test_walks_keep_the_category_of_their_start(make_sampler, monkeypatch):
    sampler = make_sampler(INFOGAN)
    seen = []
    original = sampler.draw
    monkeypatch.setattr(sampler, "draw", lambda latents, labels=None: seen.append(latents) or original(latents, labels))
    interpolate(sampler, n=2, steps=3)
    category = seen[-1][:, 62:72].unflatten(0, (2, 3))
    assert torch.equal(category, category[:, :1].expand_as(category))
    assert (category.sum(-1) == 1).all()


def test_codes_change_one_at_a_time(make_sampler):
    sampler = make_sampler(INFOGAN)
    picture = cells(traverse(sampler, samples_each=2, steps=4, extent=1.5).pixels, 10)
    latents = sampler.latents(2)
    expected = latents[1:].repeat(10, 1)
    expected[:, 62:72] = torch.eye(10)
    assert close(picture[10:20], drawn(sampler, expected))
    expected = latents[:1].repeat(4, 1)
    expected[:, 73] = torch.tensor([-1.5, -0.5, 0.5, 1.5])
    assert close(picture[40:44], drawn(sampler, expected))
    assert (picture[44:50] == 255).all()
    assert len(picture) == 60


def test_films_walk_there_and_back(make_sampler, tmp_path):
    film = interpolate(make_sampler(DCGAN), n=4, steps=5, format="gif", fps=10).enlarged(2)
    with Image.open(film.save(tmp_path / "walk.gif")) as read:
        assert (read.n_frames, read.info["duration"], read.info["loop"]) == (8, 100, 0)
        assert read.size == tuple(film.frames.shape[:-3:-1])
        read.seek(3)
        shown = torch.frombuffer(bytearray(read.convert("RGB").tobytes()), dtype=torch.uint8).view(*read.size[::-1], 3)
    assert close(shown.permute(2, 0, 1), film.frames[3])
    assert torch.equal(film.frames[5], film.frames[3])


def test_a_gif_is_as_long_as_its_frames_say(tmp_path):
    noise = torch.randint(256, (31, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with Image.open(Film(noise[:30], 15).save(tmp_path / "film.gif")) as read:
        durations = []
        for number in range(read.n_frames):
            read.seek(number)
            durations.append(read.info["duration"])
    assert sum(durations) == 2000
    assert set(durations) == {60, 70}
    with pytest.raises(GanforgeError, match=r"fps=60 is more than a GIF can show"):
        Film(noise, 60)


def test_a_walk_is_of_the_class_of_its_first_image(make_sampler):
    sampler = make_sampler(CONDITIONAL)
    picture = cells(interpolate(sampler, n=3, steps=2).pixels, 2)
    assert close(picture[::2], drawn(sampler, sampler.latents(6)[::2], sampler.labels(6)[::2]))


def test_mp4_or_the_command_that_installs_it(make_sampler, tmp_path, monkeypatch):
    sampler = make_sampler(DCGAN)
    with monkeypatch.context() as patched:
        patched.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(GanforgeError, match=r"mode.format=mp4 needs the package av: .*install .*\[video\]'"):
            interpolate(sampler, format="mp4")
    av = pytest.importorskip("av")
    film = interpolate(sampler, n=1, steps=4, format="mp4").enlarged(3)
    with av.open(str(film.save(tmp_path / "walk.mp4"))) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == len(film.frames) == 6
    height, width = film.frames.shape[-2:]
    read = torch.from_numpy(frames[0]).permute(2, 0, 1)[:, :height, :width]
    assert (read.float() - film.frames[0].float()).abs().mean() < 10


def test_pictures_show_themselves_in_notebooks(make_sampler, tmp_path):
    picture = grid(make_sampler(DCGAN), n=4)
    for content in (picture._repr_png_(), picture.enlarged(1).save(tmp_path / "new" / "grid.png").read_bytes()):
        with Image.open(io.BytesIO(content)) as read:
            shown = torch.frombuffer(bytearray(read.tobytes()), dtype=torch.uint8).view(*read.size[::-1], 3)
            assert torch.equal(shown.permute(2, 0, 1), picture.pixels)
