"""Grounding DINO by the package groundingdino-py: its own model code, its configurations, its checkpoints.

Liu et al., Grounding DINO, arXiv 2303.05499. Four things are done to the package here, none of them on disk:

* transformers 5 no longer has what ``BertModelWarper`` copies from BERT, so BERT itself takes its place, with
  a hook that turns the sub-sentence mask (bool, True may attend) into an additive one. A bool mask would be silently
  wrong with eager attention, which adds it to the scores.
* BERT is built from its configuration, not from 440 MB of weights: the checkpoint brings its own.
* A network that comes from transformers' layout refines boxes with transformers' clamp (``REFINEMENT_EPS``); the
  package's own checkpoints keep the package's.
* Widths that the package writes as numbers (256 in two sine embeddings, four Swin sizes by name) become arguments,
  so that a small network is a configuration.

The names are rebound only while a network is built or run, under a lock, and put back.
"""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from masks.detectors.convert import package_settings, to_package
from masks.detectors.hub import load_model, read_fit
from masks.detectors.types import DetectorFamily, Network, PictureFit
from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.tensors import load_strictly, read_state
from pipeline.models.weights import locate, needed

CONFIGS = ("GroundingDINO_SwinT_OGC", "GroundingDINO_SwinB_cfg")
"""The package's own configurations."""
MAY_EXCEED = ("label_enc.weight", "bert.embeddings.position_ids")
"""Names that the published files hold for training, or from older versions of BERT."""
MAY_LACK = ("*.relative_position_index", "bert.pooler.*")
"""Index tables that follow from the window size, and BERT's pooler, whose output the network does not read."""

_REBINDING = threading.RLock()


def read_settings(config: str, folder: Path) -> dict[str, Any]:
    """The settings of a network: one of the package's configurations, or a JSON file beside the weights.

    A JSON file names the package's configuration it starts from (``base``) and what differs; ``swin`` holds
    ``embed_dim``, ``depths``, ``num_heads`` and ``window_size``, and ``fit`` the sizes of ``PictureFit``.
    A Python file of the user's is not read, because reading it would run it.

    Raises:
        ModelError: no such configuration, or a JSON file that cannot be read.
    """
    import groundingdino
    from groundingdino.util.slconfig import SLConfig

    changes: dict[str, Any] = {}
    base = config
    if config.endswith(".json"):
        try:
            changes = json.loads((folder / config).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"The configuration {folder / config} cannot be read: {error}") from error
        base = changes.pop("base", CONFIGS[0])
    if base not in CONFIGS:
        raise ModelError(
            f"No configuration {base!r}; use one of {', '.join(CONFIGS)}, or a JSON file beside the weights"
        )
    file = Path(groundingdino.__file__).parent / "config" / f"{base}.py"
    settings = dict(SLConfig.fromfile(str(file))._cfg_dict)
    # Recomputing activations saves memory in training only, and warns without gradients.
    return settings | {"use_checkpoint": False, "use_transformer_ckpt": False} | changes


def read_hub_folder(row: Checkpoint, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and tensors of the package's network that equals a Grounding DINO folder of transformers.

    Raises:
        ModelError: the folder holds no such model.
    """
    from transformers import GroundingDinoForObjectDetection

    model = load_model(GroundingDinoForObjectDetection, row, folder)
    settings = read_settings(CONFIGS[0], folder) | package_settings(model.config, asdict(read_fit(folder)))
    settings.pop("base")
    return settings, to_package(model.state_dict())


def build(settings: Mapping[str, Any], text_encoder: Path) -> Any:
    """The package's network with random weights.

    Args:
        settings: what ``read_settings`` gave.
        text_encoder: folder with BERT's configuration and tokenizer.
    """
    with _quiet():
        from groundingdino.models import build_model
        from groundingdino.util.slconfig import SLConfig

    kept = {name: value for name, value in settings.items() if name not in ("swin", "fit", "refinement_eps")}
    arguments = SLConfig({**kept, "text_encoder_type": str(text_encoder), "device": "cpu"})
    with _package_on_transformers_5(text_encoder, settings.get("swin")), _quiet():
        module = build_model(arguments).eval()
    module.refinement_eps = settings.get("refinement_eps")
    return module


@contextlib.contextmanager
def _package_on_transformers_5(text_encoder: Path, swin: Mapping[str, Any] | None) -> Iterator[None]:
    import groundingdino.models.GroundingDINO.backbone.backbone as backbone
    import groundingdino.models.GroundingDINO.groundingdino as network
    from groundingdino.util import get_tokenlizer
    from transformers import AutoConfig, AutoTokenizer, BertModel

    def tokenizer(_: str) -> Any:
        return AutoTokenizer.from_pretrained(text_encoder, local_files_only=True)

    def language_model(_: str) -> Any:
        config = AutoConfig.from_pretrained(text_encoder, local_files_only=True)
        return BertModel(getattr(config, "text_config", config))

    names: list[tuple[Any, str, Any]] = [
        (network, "BertModelWarper", attend_within_sentences),
        (get_tokenlizer, "get_tokenlizer", tokenizer),
        (get_tokenlizer, "get_pretrained_language_model", language_model),
    ]
    if swin is not None:
        names.append((backbone, "build_swin_transformer", functools.partial(_swin_of_size, dict(swin))))
    with _rebound(names):
        yield


@contextlib.contextmanager
def _rebound(names: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    with _REBINDING:
        before = [(module, name, getattr(module, name)) for module, name, _ in names]
        try:
            for module, name, value in names:
                setattr(module, name, value)
            yield
        finally:
            for module, name, value in before:
                setattr(module, name, value)


def _swin_of_size(size: Mapping[str, Any], modelname: str, pretrain_img_size: int, **options: Any) -> Any:
    from groundingdino.models.GroundingDINO.backbone.swin_transformer import SwinTransformer

    return SwinTransformer(pretrain_img_size=pretrain_img_size, **{**size, **options})


def attend_within_sentences(bert_model: Any) -> Any:
    """Let BERT take the package's (B, L, L) bool mask: an additive (B, 1, L, L) mask in the network's own dtype."""
    import torch

    def additive(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        mask = kwargs.get("attention_mask")
        if mask is not None and mask.dim() == 3:
            may_attend = mask[:, None].bool()
            dtype = module.embeddings.word_embeddings.weight.dtype
            zeros = torch.zeros(may_attend.shape, dtype=dtype, device=mask.device)
            kwargs["attention_mask"] = zeros.masked_fill_(~may_attend, torch.finfo(dtype).min)
        return args, kwargs

    bert_model.register_forward_pre_hook(additive, with_kwargs=True)
    return bert_model


@contextlib.contextmanager
def _sine_width(width: int) -> Iterator[None]:
    """Give the package's two sine embeddings the network's width while it runs."""
    import groundingdino.models.GroundingDINO.transformer as transformer
    from groundingdino.models.GroundingDINO.utils import get_sine_pos_embed

    if width == 256:
        yield
        return

    def text_positions(
        positions: Any, num_pos_feats: int = 128, temperature: int = 10000, exchange_xy: bool = True
    ) -> Any:
        return get_sine_pos_embed(positions, width if num_pos_feats == 256 else num_pos_feats, temperature, exchange_xy)

    def query_positions(positions: Any) -> Any:
        return get_sine_pos_embed(positions, width // 2)

    names = [
        (transformer, "get_sine_pos_embed", text_positions),
        (transformer, "gen_sineembed_for_position", query_positions),
    ]
    with _rebound(names):
        yield


@contextlib.contextmanager
def _refinement_eps(eps: float | None) -> Iterator[None]:
    """Give the package's inverse sigmoid another clamp while it runs; None keeps its own."""
    import groundingdino.models.GroundingDINO.groundingdino as network
    import groundingdino.models.GroundingDINO.transformer as transformer

    if eps is None:
        yield
        return
    inverse = functools.partial(transformer.inverse_sigmoid, eps=eps)
    with _rebound([(module, "inverse_sigmoid", inverse) for module in (network, transformer)]):
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the package's prints and the warnings that it causes in torch; our own stay visible."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.meshgrid.*")
        warnings.filterwarnings("ignore", category=FutureWarning)  # old names of timm and torch's autocast
        yield


def load(row: Checkpoint, place: Path, device: str) -> Network:
    """Build the configured network and fill it strictly: from the checkpoint's file, or from a folder in the hub's
    layout, whose weights are converted while they are read.

    Raises:
        WeightsMissing: the text encoder's configuration and tokenizer are not on this machine.
        ModelError: no configuration, or a file that does not fit it.
    """
    if row.file is None and place.is_dir():
        settings, state, text_encoder = *read_hub_folder(row, place), place
    elif row.config is None or "text_encoder" not in row.needs:
        raise ModelError(f"The row of checkpoint {row.id!r} must say 'config' and 'needs: {{text_encoder: …}}'")
    else:
        settings, state = read_settings(row.config, place.parent), read_state(place, pickle=row.pickle)
        text_encoder = locate(needed(row, "text_encoder"))
    module = build(settings, text_encoder)
    load_strictly(module, state, name=row.id, may_lack=MAY_LACK, may_exceed=MAY_EXCEED)
    module.to(device)
    return Network(
        module=module,
        tokenizer=module.tokenizer,
        fit=PictureFit(**settings.get("fit", {})),
        max_tokens=min(module.max_text_len, module.bert.config.max_position_embeddings),
        backbone=module.backbone,
    )


def forward(network: Network, pixels: Any, captions: Sequence[str]) -> tuple[Any, Any]:
    """One forward. One caption at a time: with several the package repeats its text mask in the wrong order.

    Raises:
        ModelError: more than one caption.
    """
    if len(captions) != 1:
        raise ModelError("groundingdino-py takes one caption at a time: with several, its text masks are mixed up")
    module = network.module
    with _sine_width(module.hidden_dim), _refinement_eps(module.refinement_eps), _quiet():
        out = module(pixels, captions=list(captions))
    return out["pred_logits"], out["pred_boxes"]


FAMILY = DetectorFamily(id="groundingdino-py", load=load, forward=forward, max_batch=1)
