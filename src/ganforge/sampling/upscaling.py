"""Pictures of one's own, enlarged by a run of super-resolution."""

from ganforge.core.errors import GanforgeError
from ganforge.data.modality import Images
from ganforge.sampling.own_pictures import own_pictures
from ganforge.sampling.seeded import SeededSampler
from ganforge.sampling.translation import Translations

__all__ = ["upscale"]


def upscale(sampler: SeededSampler, source: str | None = None) -> Translations:
    """Enlarge pictures as they are, of any size, into PNGs.

    Args:
        sampler: of a generator that enlarges its source.
        source: a file, a folder or an archive of pictures.

    Raises:
        GanforgeError: if the run enlarges nothing, ``source`` is not given, or a file cannot be read.
    """
    modality = sampler.origin.modalities.get(sampler.sampler.source or "")
    scale = int(getattr(sampler.sampler.network, "scale", 1))
    if scale < 2 or not isinstance(modality, Images):
        raise GanforgeError(
            f"mode=upscale needs a run of super-resolution, such as one of model=srresnet, and '{sampler.origin.name}' "
            "enlarges nothing: use mode=translate or mode=grid."
        )
    if source is None:
        raise GanforgeError(
            "Say what to enlarge: mode.source=FILE, or a folder or .zip file of pictures; mode=translate shows "
            "held-out ones."
        )
    pictures = own_pictures(source, modality)
    pictures.sizes = ""  # any size is right
    return Translations(sampler, pictures, None, f"enlarged {scale} times")
