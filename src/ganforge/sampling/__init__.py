"""Drawing from a trained generator: pictures, films, sample sets, and export of the generator.

:class:`~ganforge.sampling.sampler.Sampler` is how anything draws from a generator. Each mode of ``ganforge sample``
is a function of a :class:`~ganforge.sampling.seeded.SeededSampler` that returns a
:class:`~ganforge.sampling.results.Result`; a notebook displays it::

    from ganforge.runs.restore import restore
    from ganforge.sampling import grid

    grid(restore("outputs/dcgan_mnist5k/0123456789").sampler(), n=64)
"""

from ganforge.sampling.export import export
from ganforge.sampling.interpolation import interpolate
from ganforge.sampling.neighbours import neighbours
from ganforge.sampling.pictures import classes, grid, style_mixing, truncation
from ganforge.sampling.results import Film, Picture, Result
from ganforge.sampling.sampler import Sampler
from ganforge.sampling.seeded import Origin, SeededSampler
from ganforge.sampling.stream import images
from ganforge.sampling.translation import translate
from ganforge.sampling.traversal import traverse

__all__ = [
    "Film",
    "Origin",
    "Picture",
    "Result",
    "Sampler",
    "SeededSampler",
    "classes",
    "export",
    "grid",
    "images",
    "interpolate",
    "neighbours",
    "style_mixing",
    "translate",
    "traverse",
    "truncation",
]
