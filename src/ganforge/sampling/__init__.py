"""Looking at what a trained generator draws: pictures, films, streams of images, the generator itself as a file.

A :class:`~ganforge.sampling.sampler.Sampler` wraps a run that :func:`ganforge.runs.restore.restore` brought back.
Each mode of ``ganforge sample`` is a function of a sampler that returns a
:class:`~ganforge.sampling.results.Result`; in a notebook a picture shows itself::

    from ganforge.runs.restore import restore
    from ganforge.sampling import Sampler, grid

    grid(Sampler(restore("outputs/dcgan_mnist5k/0123456789")), n=64)
"""

from ganforge.sampling.export import export
from ganforge.sampling.interpolation import interpolate
from ganforge.sampling.neighbours import neighbours
from ganforge.sampling.pictures import classes, grid, style_mixing, truncation
from ganforge.sampling.results import Film, Picture, Result
from ganforge.sampling.sampler import Sampler
from ganforge.sampling.stream import images
from ganforge.sampling.traversal import traverse

__all__ = [
    "Film",
    "Picture",
    "Result",
    "Sampler",
    "classes",
    "export",
    "grid",
    "images",
    "interpolate",
    "neighbours",
    "style_mixing",
    "traverse",
    "truncation",
]
