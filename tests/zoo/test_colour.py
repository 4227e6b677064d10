"""Every variant trains in colour on pictures that packages ship; a few of them in the quick tier."""

from pathlib import Path

import pytest
from narrow import narrow, own_data, translates

from discovery import options
from ganforge import cli
from ganforge.runs.log import read_curves

#: Variants of point sets, which need their own dataset.
POINTS = {"simultaneous"}
IMAGES = [name for name in options("model") if name not in POINTS]
DATA = {
    "robohash": ["data.source.count=60", "data.source.heldout=30"],
    "earth": ["data.source.stride=64"],
    "earth_pairs": ["data.source.stride=64"],
    "earth_unpaired": ["data.source.source.stride=64"],
    "earth_x4": ["data.source.source.stride=64"],
    "scenes": ["data.source.count=60", "data.source.heldout=30"],
}
#: A translation takes the one that it chooses, the others one of two by turns: all on both would take minutes more.
ON = {
    name: [own_data(name)] if translates(name) else [("robohash", "earth")[place % 2]]
    for place, name in enumerate(IMAGES)
} | {"dcgan": ["robohash", "earth"], "projection": ["robohash", "earth"]}
#: Without labels, with them in both networks, and with pairs.
QUICK = {("dcgan", "earth"), ("projection", "robohash"), ("pix2pix", "earth_pairs")}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param(name, data, marks=[] if (name, data) in QUICK else pytest.mark.slow)
        for name in IMAGES
        for data in ON[name]
    ],
)
def test_variant_trains_in_colour(name: str, data: str) -> None:
    overrides = narrow(f"model={name}", f"data={data}", "data.image_size=32", *DATA[data])
    small = ["debug=smoke", "protocol=[]", "data.batch_size=12", "total_kimg=0.06", "logger=csv", "trainer=cpu"]
    assert cli.main(["train", *overrides, *small]) == 0
    (folder,) = [path.parent for path in Path("outputs").glob(f"{name}_*/*/run.json")]
    assert (folder / "samples" / "latest.png").exists()
    assert any(name.startswith("generator/") for name in read_curves(folder / "metrics.csv"))
