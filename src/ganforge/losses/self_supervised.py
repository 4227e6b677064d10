"""Self-supervised losses of the discriminator, against forgetting while the generator changes."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.losses.precision import full_precision, widen
from ganforge.losses.step import Step, Term

__all__ = ["InfoMax", "Rotation"]


@dataclass(kw_only=True, eq=False)
class InfoMax(Term):
    """InfoNCE between an image and its places (InfoMax-GAN, Lee et al. 2021, equation 7; weight 0.2 for both).

    For the image ``i`` and each place ``p`` of it, ``-log[e(i, i, p) / (e(i, i, p) + sum_{j != i, q} e(i, j, q))]``
    with ``e(i, j, q)`` the exponential of the inner product of image ``i``'s embedding and place ``q`` of image ``j``;
    on real images for D, on generated ones for G.

    Args:
        weight: beta for the discriminator, alpha for the generator.
        every: see :class:`Term`.
        player: whose loss it joins; list it for both.
        own_places: inner product that the image's own places count with among the others: -10 as in the authors' code,
            which leaves ``exp(-10)`` of each; ``None`` leaves them out, as in the equation.
    """

    own_places: float | None = -10.0

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`.

        Raises:
            GanforgeError: if the batch holds a single image.
        """
        critique = step.real_critique if self.player == "discriminator" else step.fake_critique
        image, places = widen(critique.require("embedding")), widen(critique.require("local_embeddings"))
        n = len(image)
        if n < 2:
            raise GanforgeError("InfoMax: it contrasts images of a batch; raise data.batch_size to 2 or more.")
        with full_precision(image):
            products = torch.einsum("ie,jep->ijp", image, places)
        itself = torch.eye(n, dtype=torch.bool, device=image.device)
        masked = -math.inf if self.own_places is None else self.own_places
        others = products.masked_fill(itself[:, :, None], masked).flatten(1).logsumexp(1, keepdim=True)
        own_places = products.diagonal(dim1=0, dim2=1).T
        return (torch.logaddexp(own_places, others) - own_places).mean()


class Rotation(Term):
    """Cross-entropy of which way up an image is (SSGAN, Chen et al. 2019, equations 3 and 4).

    A quarter of the batch each is turned by 0, 90, 180 and 270 degrees counterclockwise, and the discriminator's class
    head predicts which; on real images for D (weight 1), on generated ones for G (weight 0.2). The logits of turned
    images are not used, as in the paper.

    Args:
        weight: beta for the discriminator, alpha for the generator.
        every: see :class:`Term`.
        player: whose loss it joins; list it for both.
    """

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`.

        Raises:
            GanforgeError: if the data are not square images, or the class head has not four outputs.
        """
        real = self.player == "discriminator"
        images, condition = (step.real, step.condition) if real else (step.fake, step.fake_condition)
        if images.ndim != 4 or images.shape[2] != images.shape[3]:
            raise GanforgeError("Rotation: it turns square images, and data gives none; leave the term out.")
        quarters = images.tensor_split(4)
        turned = torch.cat([quarter.rot90(turn, (2, 3)) for turn, quarter in enumerate(quarters)])
        turns = torch.cat([torch.full((len(q),), turn, device=images.device) for turn, q in enumerate(quarters)])
        logits = step.discriminate(turned, condition).require("class_logits")
        if logits.shape[1] != 4:
            raise GanforgeError(
                f"Rotation: the class head has {logits.shape[1]} outputs and there are 4 rotations; choose "
                "network=resnet_rotation, or leave the term out."
            )
        return F.cross_entropy(widen(logits), turns)
