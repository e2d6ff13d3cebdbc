"""The embedded inpainting model: architecture, and its folder in the hub's layout.

Stable Diffusion's parts at a hundredth of the size: `AutoencoderTiny` at f = 4, CLIP text of two layers, a 9-channel
`UNet2DConditionModel` and a `ControlNetModel` per control. Its native size is 128 x 96 px.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pipeline.hearing import heard

CHANNELS: Final = (32, 64, 128)
TEXT_WIDTH: Final = 128
LATENTS: Final = 4
GUIDANCE: Final = 2.0
"""Guidance that suits the shipped weights: places come out cleaner than without."""
LATENT_PX: Final = 4
"""Pixels a latent, each way."""


def build_text_encoder(tokenizer: Any) -> Any:
    """Two layers of CLIP's text model, started so that words matter from the first step.

    Token embeddings have deviation 1: CLIP's own 0.02 drowns beside the positions, and the text stays dead for long.
    """
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            projection_dim=TEXT_WIDTH,
        )
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "token_embedding" in name:
                weight.normal_(0, 1.0)
            elif "position_embedding" in name:
                weight.normal_(0, 0.2)
            elif name.endswith(("out_proj.weight", "fc2.weight")):
                weight.mul_(0.3)
    return model


def build_unet(height_px: int = 128) -> Any:
    """The denoiser: 4.0 M weights, attention to the text at the lowest level, the pooled text in its time embedding."""
    import torch
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=height_px // LATENT_PX,
        in_channels=2 * LATENTS + 1,
        out_channels=LATENTS,
        cross_attention_dim=TEXT_WIDTH,
        block_out_channels=CHANNELS,
        attention_head_dim=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )
    torch.nn.init.normal_(unet.add_embedding.proj.weight, 0, 0.05)
    return unet.to(memory_format=torch.channels_last)


def build_controlnet() -> Any:
    """A ControlNet of the same widths without attention: 0.7 M weights.

    Its gates do not start at zero: there is no trained denoiser to protect, and the figure follows sooner.
    """
    import torch
    from diffusers import ControlNetModel

    net = ControlNetModel(
        in_channels=LATENTS,
        cross_attention_dim=TEXT_WIDTH,
        block_out_channels=CHANNELS,
        attention_head_dim=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * 3,
        mid_block_type="UNetMidBlock2D",
        norm_num_groups=8,
        conditioning_embedding_out_channels=(8, 16, 32),
    )
    with torch.no_grad():
        for gate in [*net.controlnet_down_blocks, net.controlnet_mid_block]:
            torch.nn.init.xavier_uniform_(gate.weight, gain=0.5)
        torch.nn.init.kaiming_uniform_(net.controlnet_cond_embedding.conv_out.weight, a=1)
    return net.to(memory_format=torch.channels_last)


def noise_schedule() -> Any:
    """The training's noise: v-prediction, scaled linear, zero terminal signal, trailing steps."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def save_inpaint(folder: Path, *, vae: Any, tokenizer: Any, text_encoder: Any, unet: Any) -> None:
    """Write the pipeline's folder, fp16 safetensors, as `StableDiffusionInpaintPipeline.from_pretrained` reads it."""
    import torch
    from diffusers import StableDiffusionInpaintPipeline

    with heard():  # it warns that there is no safety checker
        whole = StableDiffusionInpaintPipeline(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=noise_schedule(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        whole.to(torch.float16).save_pretrained(folder)


def load_inpaint(folder: Path, controlnet: Path | None = None) -> Any:
    """The pipeline of a saved folder in float32, with one ControlNet if its folder is given."""
    import torch
    from diffusers import StableDiffusionControlNetInpaintPipeline, StableDiffusionInpaintPipeline

    with heard():
        if controlnet is None:
            whole = StableDiffusionInpaintPipeline.from_pretrained(folder, dtype=torch.float32)
        else:
            net = load_controlnet(controlnet)
            whole = StableDiffusionControlNetInpaintPipeline.from_pretrained(
                folder, controlnet=net, dtype=torch.float32
            )
    whole.set_progress_bar_config(disable=True)
    return whole


def load_controlnet(folder: Path) -> Any:
    """A saved ControlNet in float32."""
    import torch
    from diffusers import ControlNetModel

    return ControlNetModel.from_pretrained(folder, dtype=torch.float32)
