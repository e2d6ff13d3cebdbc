"""Soft repaint masks: every place is repainted in a share of the steps of its own, the last ones.

Levin and Fried, Differential Diffusion: Giving Each Pixel Its Strength, arXiv 2306.00950. Until its share begins, a
place is set back to the photo's latents at the noise of the step, so that what is generated beside it is fitted to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.models.families.types import Inpaint

if TYPE_CHECKING:
    import torch

MIN_STEPS: Final = 10
"""Executed steps that a soft edge needs at least: with fewer, the photo and what is generated meet in rings."""


@dataclass(frozen=True, kw_only=True)
class HoldBack:
    """A ``callback_on_step_end`` that sets a place back to the photo until its share of the steps begins.

    ``known`` and ``noise`` have the shape of the pipeline's latents (N, C, h, w); ``strengths`` (N, 1, h, w) in [0, 1]
    are the shares: 1 is never held, 0 always.
    """

    known: torch.Tensor
    noise: torch.Tensor
    strengths: torch.Tensor

    def __call__(self, pipe: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        """The step's latents with what is not yet to be repainted set back."""
        import torch

        latents, executed = values["latents"], pipe.num_timesteps
        left = executed - 1 - step
        held = self.known
        if left:  # the scheduler has made its step: this is the noise at which the next one begins
            held = pipe.scheduler.add_noise(self.known, self.noise, pipe.scheduler.timesteps[-left:][:1])
        return {"latents": torch.where(self.strengths <= left / executed, held.to(latents), latents)}


def strongest_in_cells(strengths: NDArray[np.float32], cell_px: int) -> NDArray[np.float32]:
    """The largest strength in each cell of ``cell_px``, (H / cell_px, W / cell_px): a thin strap keeps its own."""
    height, width = strengths.shape
    cells = strengths.reshape(height // cell_px, cell_px, width // cell_px, cell_px).max(axis=(1, 3))
    return np.asarray(cells, np.float32)


def soft_arguments(pipe: Any, requests: Sequence[Inpaint]) -> dict[str, Any]:
    """The arguments that let a pipeline repaint softly; none where no request asks for it.

    The photo's latents are drawn with generators of their own, so that the pipeline's randomness is as without them.
    """
    import torch

    if all(one.strengths is None for one in requests):
        return {}
    shares = [one.repaint.astype(np.float32) if one.strengths is None else one.strengths for one in requests]
    cells = np.stack([strongest_in_cells(one, pipe.vae_scale_factor) for one in shares])[:, None]
    device, dtype = pipe._execution_device, pipe.unet.dtype
    pictures = torch.from_numpy(np.stack([one.image for one in requests])).movedim(-1, 1).to(device, dtype)
    seeds = [torch.Generator("cpu").manual_seed(one.seed) for one in requests]
    known = pipe._encode_vae_image(image=pictures / 127.5 - 1, generator=seeds)
    noise = torch.cat([torch.randn((1, *known.shape[1:]), generator=seed) for seed in seeds])
    return {
        "callback_on_step_end": HoldBack(
            known=known, noise=noise.to(known), strengths=torch.from_numpy(cells).to(known.device)
        ),
        "callback_on_step_end_tensor_inputs": ["latents"],
    }
