"""The embedded VAE's encoder: one linear map, so that the denoiser can be trained before the decoder is.

Latents 0 to 2 are the 4 x 4 px means of luma and the two colour differences at unit variance, latent 3 a learned linear
filter for detail. A chain of convolutions without activations holds the map exactly, which is what `AutoencoderTiny`
with no residual blocks in its encoder is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import ModelError

FACTOR: Final = 4
"""Pixels a latent, each way."""
WIDTH: Final = 48
"""Channels of encoder and decoder."""
LUMA: Final = (0.30, 0.59, 0.11)
_REACH: Final = 12
"""Side of the map's window in px: a latent's own 4 x 4 px and 4 px around them."""


@dataclass(frozen=True, kw_only=True)
class LinearMap:
    """``weight`` (4, 3, 12, 12) and ``bias`` (4,), float32 tensors."""

    weight: Any
    bias: Any

    def __call__(self, pixels: Any) -> Any:
        """Latents (N, 4, H/4, W/4) of pixels (N, 3, H, W) in [-1, 1]."""
        import torch.nn.functional as F  # noqa: N812

        return F.conv2d(F.pad(pixels, (4, 4, 4, 4)), self.weight, self.bias, stride=FACTOR)


def color_filters() -> Any:
    """Block means of luma, blue minus luma and red minus luma: (3, 3, 12, 12)."""
    import torch

    luma = torch.tensor(LUMA)
    rows = (luma, torch.tensor([0.0, 0.0, 1.0]) - luma, torch.tensor([1.0, 0.0, 0.0]) - luma)
    filters = torch.zeros(3, 3, _REACH, _REACH)
    for index, row in enumerate(rows):
        filters[index, :, FACTOR : 2 * FACTOR, FACTOR : 2 * FACTOR] = row[:, None, None] / FACTOR**2
    return filters


def build_vae() -> Any:
    """The untrained `AutoencoderTiny`: f = 4, four latents, no scaling."""
    from diffusers import AutoencoderTiny

    return AutoencoderTiny(
        encoder_block_out_channels=(WIDTH,) * 3,
        decoder_block_out_channels=(WIDTH,) * 3,
        num_encoder_blocks=(0, 0, 0),
        num_decoder_blocks=(3, 2, 0),
        latent_channels=4,
        scaling_factor=1.0,
    )


def fill_encoder(vae: Any, linear: LinearMap) -> None:
    """Write the linear map into the VAE's four convolutions: scale, two space-to-depth steps, the filters."""
    import torch

    layers = _convolutions(vae)
    scale, first, second, last = layers
    with torch.no_grad():
        for layer in layers:
            layer.weight.zero_()
            if layer.bias is not None:
                layer.bias.zero_()
        for c in range(3):  # AutoencoderTiny brings [-1, 1] to [0, 1] before its first layer
            scale.weight[c, c, 1, 1] = 2
            scale.bias[c] = -1
        for layer, channels in ((first, 3), (second, 12)):
            for dy in (0, 1):
                for dx in (0, 1):
                    for c in range(channels):
                        layer.weight[(dy * 2 + dx) * channels + c, c, 1 + dy, 1 + dx] = 1
        blocks = linear.weight.reshape(4, 3, 3, 2, 2, 3, 2, 2)  # out, colour, (block, second, first) of y and of x
        last.weight[:, :48] = blocks.permute(0, 3, 6, 4, 7, 1, 2, 5).reshape(4, 48, 3, 3)
        last.bias.copy_(linear.bias)


def _convolutions(vae: Any) -> list[Any]:
    import torch

    return [m for m in vae.encoder.layers if isinstance(m, torch.nn.Conv2d)]


def read_encoder(vae: Any) -> LinearMap:
    """The linear map that `fill_encoder` wrote into a VAE.

    Raises:
        ModelError: the VAE's encoder is another chain of layers.
    """
    layers = _convolutions(vae)
    if len(layers) != 4 or layers[-1].weight.shape[:2] != (4, WIDTH):
        raise ModelError("the VAE's encoder is not the studio's chain of four convolutions; train the VAE anew")
    last = layers[-1]
    blocks = last.weight.detach().float().reshape(4, 2, 2, 2, 2, 3, 3, 3)  # fill_encoder's own order
    weight = blocks.permute(0, 5, 6, 1, 3, 7, 2, 4)
    return LinearMap(weight=weight.reshape(4, 3, _REACH, _REACH), bias=last.bias.detach().float())
