"""Tiny random checkpoints of the rectified-flow families in their true layout, as they lie on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.pipeline.models import tiny_parts as parts

FLUX_SIZES: dict[str, Any] = {"attention_head_dim": 16, "num_attention_heads": 2, "axes_dims_rope": (4, 4, 8)}
BLOCK_SIZES: dict[str, Any] = {"attention_head_dim": 128, "num_attention_heads": 2, "axes_dims_rope": (16, 56, 56)}
"""Width 256 and Flux's own heads: a GGUF block holds 256 weights of one row."""


def flux_transformer(*, channels: int = 64, guidance: bool = True, sizes: dict[str, Any] = FLUX_SIZES) -> Any:
    """16 latent channels in patches of 2x2; Fill adds the masked picture and the mask's 64 pixels a cell."""
    from diffusers import FluxTransformer2DModel

    return FluxTransformer2DModel(
        in_channels=channels, out_channels=64, num_layers=1, num_single_layers=1, joint_attention_dim=32,
        pooled_projection_dim=16, guidance_embeds=guidance, **sizes,
    )  # fmt: skip


def write_flux(
    folder: Path, *, kind: str = "FluxPipeline", guidance: bool = True, sizes: dict[str, Any] = FLUX_SIZES,
    seed: int = 0,
) -> Path:  # fmt: skip
    """Flux: ``kind`` is the class in its model_index.json, ``guidance`` False is schnell."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    with parts.quiet(seed):
        tokenizer, text_encoder = parts.clip(projection=False)
        tokenizer_2, text_encoder_2 = parts.t5()
        channels = 384 if kind == "FluxFillPipeline" else 64
        scheduler = FlowMatchEulerDiscreteScheduler(
            shift=3.0 if guidance else 1.0, use_dynamic_shifting=guidance, base_shift=0.5, max_shift=1.15
        )
        return parts.save(folder, kind, {
            "scheduler": scheduler, "vae": parts.vae(), "tokenizer": tokenizer, "text_encoder": text_encoder,
            "tokenizer_2": tokenizer_2, "text_encoder_2": text_encoder_2,
            "transformer": flux_transformer(channels=channels, guidance=guidance, sizes=sizes),
        })  # fmt: skip


def write_flux_control(
    folder: Path, *, modes: int | None = None, sizes: dict[str, Any] = FLUX_SIZES, seed: int = 1
) -> Path:
    """A Flux ControlNet; ``modes`` is the number of kinds that a union one knows."""
    from diffusers import FluxControlNetModel

    with parts.quiet(seed):
        net = FluxControlNetModel(
            in_channels=64, num_layers=1, num_single_layers=1, joint_attention_dim=32, pooled_projection_dim=16,
            guidance_embeds=True, num_mode=modes, **sizes | {"axes_dims_rope": list(sizes["axes_dims_rope"])},
        )  # fmt: skip
        parts.spread(net)
        net.save_pretrained(folder)
    return folder


SEEN = 24
"""Width of what the image encoder gives for a picture."""


def write_clip(folder: Path, *, seed: int = 5) -> Path:
    """CLIP as OpenAI's repository has it: both towers in one file, of which the text tower is not read."""
    from transformers import CLIPConfig, CLIPModel

    with parts.quiet(seed):
        vision = {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "image_size": 32, "patch_size": 8, "projection_dim": SEEN,
        }  # fmt: skip
        text = {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
            "projection_dim": SEEN,
        }  # fmt: skip
        CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=SEEN)).save_pretrained(folder)
    return folder


def write_flux_ip_adapter(path: Path, *, sizes: dict[str, Any] = FLUX_SIZES, blocks: int = 1, seed: int = 6) -> Path:
    """An IP-Adapter of Flux in XLabs' names: four tokens off a projection, keys and values for each double block."""
    import torch
    from safetensors.torch import save_file

    random = torch.Generator().manual_seed(seed)
    wide, read = sizes["attention_head_dim"] * sizes["num_attention_heads"], 32
    state = {
        "ip_adapter_proj_model.proj.weight": torch.randn((4 * read, SEEN), generator=random),
        "ip_adapter_proj_model.proj.bias": torch.zeros(4 * read),
        "ip_adapter_proj_model.norm.weight": torch.ones(read),
        "ip_adapter_proj_model.norm.bias": torch.zeros(read),
    }
    for block in range(blocks):
        for kind in ("k", "v"):
            name = f"double_blocks.{block}.processor.ip_adapter_double_stream_{kind}_proj"
            state[f"{name}.weight"] = torch.randn((wide, read), generator=random)
            state[f"{name}.bias"] = torch.zeros(wide)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.bfloat16() for name, value in state.items()}, path)
    return path


def write_sd3(folder: Path, *, seed: int = 0) -> Path:
    """Stable Diffusion 3: two CLIP encoders and T5."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel

    with parts.quiet(seed):
        (one, clip), (two, clip_2), (three, t5) = parts.clip(projection=True), parts.clip(projection=True), parts.t5()
        return parts.save(folder, "StableDiffusion3Pipeline", {
            "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0), "vae": parts.vae(), "tokenizer": one,
            "text_encoder": clip, "tokenizer_2": two, "text_encoder_2": clip_2, "tokenizer_3": three,
            "text_encoder_3": t5, "transformer": SD3Transformer2DModel(**SD3_SIZES),
        })  # fmt: skip


SD3_SIZES: dict[str, Any] = {
    "sample_size": 32, "patch_size": 2, "in_channels": 16, "out_channels": 16, "num_layers": 2,
    "attention_head_dim": 8, "num_attention_heads": 4, "caption_projection_dim": 32, "joint_attention_dim": 32,
    "pooled_projection_dim": 32, "pos_embed_max_size": 32,
}  # fmt: skip


def write_sd3_control(folder: Path, *, seed: int = 1) -> Path:
    """A ControlNet of Stable Diffusion 3."""
    from diffusers import SD3ControlNetModel

    with parts.quiet(seed):
        net = SD3ControlNetModel(**SD3_SIZES | {"num_layers": 1})
        parts.spread(net)
        net.save_pretrained(folder)
    return folder


SEEN_BY_SIGLIP = 48
"""Width of SigLIP's states."""


def write_siglip(folder: Path, *, wide: int = SEEN_BY_SIGLIP, seed: int = 7) -> Path:
    """SigLIP as Google's repository has it: both towers in one file, of which the text tower is not read."""
    from transformers import SiglipConfig, SiglipModel

    with parts.quiet(seed):
        tower = {"hidden_size": wide, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        vision = tower | {"image_size": 32, "patch_size": 8}
        SiglipModel(SiglipConfig(vision_config=vision, text_config=tower)).save_pretrained(folder)
    return folder


def write_sd3_ip_adapter(path: Path, *, blocks: int = 2, seed: int = 8) -> Path:
    """An IP-Adapter of Stable Diffusion 3.5 in diffusers' names: a resampler that is told the time, and every block."""
    import torch
    from diffusers.models.attention_processor import SD3IPAdapterJointAttnProcessor2_0
    from diffusers.models.embeddings import IPAdapterTimeImageProjection
    from safetensors.torch import save_file

    heads, head = SD3_SIZES["num_attention_heads"], SD3_SIZES["attention_head_dim"]
    with parts.quiet(seed):
        whole = {"image_proj": IPAdapterTimeImageProjection(
            embed_dim=SEEN_BY_SIGLIP, output_dim=heads * head, hidden_dim=64, depth=4, heads=1, num_queries=4,
            timestep_in_dim=32,
        )}  # fmt: skip
        for block in range(blocks):
            whole[f"ip_adapter.{block}"] = SD3IPAdapterJointAttnProcessor2_0(
                hidden_size=heads * head, ip_hidden_states_dim=heads * head, head_dim=head, timesteps_emb_dim=64
            )
        state = {f"{name}.{key}": one for name, part in whole.items() for key, one in part.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.to(torch.bfloat16).contiguous() for name, value in state.items()}, path)
    return path


QWEN_SIZES: dict[str, Any] = {
    "patch_size": 2, "in_channels": 64, "out_channels": 16, "num_layers": 2, "attention_head_dim": 16,
    "num_attention_heads": 2, "joint_attention_dim": 16, "guidance_embeds": False, "axes_dims_rope": (8, 4, 4),
}  # fmt: skip


def write_qwen_image(
    folder: Path, *, kind: str = "QwenImagePipeline", sizes: dict[str, Any] = QWEN_SIZES, seed: int = 0
) -> Path:
    """Qwen-Image, and Edit with its processor of pictures."""
    from diffusers import AutoencoderKLQwenImage, FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    with parts.quiet(seed):
        tokenizer = parts.qwen_tokenizer()
        marks = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in MARKS}
        config = Qwen2_5_VLConfig(
            text_config={
                "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                "num_key_value_heads": 2, "vocab_size": len(tokenizer), "bos_token_id": None,
                "eos_token_id": marks["im_end"], "rope_theta": 1000000.0,
                "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
            },
            vision_config={
                "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
                "fullatt_block_indexes": [0],
            },
            vision_start_token_id=marks["vision_start"], vision_end_token_id=marks["vision_end"],
            image_token_id=marks["image_pad"], video_token_id=marks["video_pad"],
        )  # fmt: skip
        scheduler = FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, max_image_seq_len=8192, shift_terminal=0.02
        )
        vae = AutoencoderKLQwenImage(
            base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True],
            latents_mean=[0.1] * 16, latents_std=[1.2] * 16,
        )  # fmt: skip
        parts.livelier(vae)
        made: dict[str, Any] = {
            "transformer": QwenImageTransformer2DModel(**sizes), "vae": vae, "scheduler": scheduler,
            "text_encoder": Qwen2_5_VLForConditionalGeneration(config), "tokenizer": tokenizer,
        }  # fmt: skip
        if kind != "QwenImagePipeline":
            made["processor"] = Qwen2VLProcessor(
                Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=56 * 56), tokenizer,
                Qwen2VLVideoProcessor(), chat_template=parts.CHAT,
            )  # fmt: skip
        return parts.save(folder, kind, made)


MARKS = ("im_end", "vision_start", "vision_end", "image_pad", "video_pad")


def write_qwen_control(folder: Path, *, sizes: dict[str, Any] = QWEN_SIZES, seed: int = 1) -> Path:
    """A ControlNet of Qwen-Image."""
    from diffusers import QwenImageControlNetModel

    with parts.quiet(seed):
        known = {name: size for name, size in sizes.items() if name != "guidance_embeds"}
        net = QwenImageControlNetModel(**known | {"num_layers": 1})
        parts.spread(net)
        net.save_pretrained(folder)
    return folder


def qwen3(tokenizer: Any, *, kind: str, layers: int) -> Any:
    """Qwen3's language model as a text encoder."""
    import transformers

    config = transformers.Qwen3Config(
        hidden_size=16, intermediate_size=16, num_hidden_layers=layers, num_attention_heads=2, num_key_value_heads=2,
        head_dim=8, vocab_size=len(tokenizer), max_position_embeddings=1024,
    )  # fmt: skip
    return getattr(transformers, kind)(config)


def write_z_image(folder: Path, *, seed: int = 0) -> Path:
    """Z-Image."""
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel

    with parts.quiet(seed):
        tokenizer = parts.qwen_tokenizer()
        transformer = ZImageTransformer2DModel(
            in_channels=16, dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
            axes_dims=[8, 4, 4], axes_lens=[1024, 128, 128],
        )  # fmt: skip
        return parts.save(folder, "ZImagePipeline", {
            "transformer": transformer, "vae": parts.vae(), "tokenizer": tokenizer,
            "text_encoder": qwen3(tokenizer, kind="Qwen3Model", layers=2),
            "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        })  # fmt: skip


def write_flux2_klein(folder: Path, *, distilled: bool = True, seed: int = 0) -> Path:
    """FLUX.2 klein; its text encoder is as deep as the layers that are read ask for."""
    from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2Transformer2DModel

    with parts.quiet(seed):
        tokenizer = parts.qwen_tokenizer()
        transformer = Flux2Transformer2DModel(
            patch_size=1, in_channels=128, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=48, timestep_guidance_channels=256,
            axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
        )  # fmt: skip
        vae = AutoencoderKLFlux2(
            block_out_channels=(4, 4, 4, 4), layers_per_block=1, norm_num_groups=2, mid_block_add_attention=False
        )
        return parts.save(folder, "Flux2KleinPipeline", {
            "transformer": transformer, "vae": vae, "tokenizer": tokenizer, "is_distilled": distilled,
            "text_encoder": qwen3(tokenizer, kind="Qwen3ForCausalLM", layers=28),
            "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        })  # fmt: skip


def write_lumina2(folder: Path, *, seed: int = 0) -> Path:
    """Lumina-Image 2.0 with Gemma 2."""
    from diffusers import FlowMatchEulerDiscreteScheduler, Lumina2Transformer2DModel
    from transformers import Gemma2Config, Gemma2Model

    with parts.quiet(seed):
        tokenizer = parts.letter_tokenizer("GemmaTokenizer")
        config = Gemma2Config(
            head_dim=8, hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=2,
            num_key_value_heads=2, sliding_window=64, vocab_size=len(tokenizer),
        )  # fmt: skip
        transformer = Lumina2Transformer2DModel(
            sample_size=8, patch_size=2, in_channels=16, hidden_size=32, num_layers=1, num_refiner_layers=1,
            num_attention_heads=2, num_kv_heads=2, multiple_of=16, axes_dim_rope=(8, 4, 4),
            axes_lens=(300, 64, 64), cap_feat_dim=16,
        )  # fmt: skip
        return parts.save(folder, "Lumina2Pipeline", {
            "transformer": transformer, "vae": parts.vae(), "tokenizer": tokenizer,
            "text_encoder": Gemma2Model(config), "scheduler": FlowMatchEulerDiscreteScheduler(shift=6.0),
        })  # fmt: skip


def write_omnigen(folder: Path, *, seed: int = 0) -> Path:
    """OmniGen: a language model that denoises, and no other text encoder."""
    from diffusers import FlowMatchEulerDiscreteScheduler, OmniGenTransformer2DModel

    with parts.quiet(seed):
        tokenizer = parts.letter_tokenizer("LlamaTokenizer")
        transformer = OmniGenTransformer2DModel(
            in_channels=4, hidden_size=16, num_attention_heads=4, num_key_value_heads=4, intermediate_size=32,
            num_layers=1, time_step_dim=4, vocab_size=len(tokenizer), pad_token_id=2, pos_embed_max_size=32,
            rope_scaling={"long_factor": [1, 2], "short_factor": [1, 2]},
        )  # fmt: skip
        return parts.save(folder, "OmniGenPipeline", {
            "transformer": transformer, "vae": parts.vae(channels=4), "tokenizer": tokenizer,
            "scheduler": FlowMatchEulerDiscreteScheduler(invert_sigmas=True, num_train_timesteps=1),
        })  # fmt: skip
