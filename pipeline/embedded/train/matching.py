"""The detector's loss.

transformers' own cannot train it: its proposals get no gradient, and its targets shift in a batch.

Each decoder layer's queries are matched one to one with the boxes (Hungarian, as in DETR, arXiv 2005.12872); the
encoder's proposals one to many, so that they learn which places hold things at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

ALPHA: Final = 0.25
MANY: Final = 6


@dataclass(frozen=True, kw_only=True)
class Target:
    """What one picture's caption names: ``boxes`` (n, 4) centre and sides in [0, 1], and each box's token positions."""

    boxes: Any
    tokens: tuple[tuple[int, ...], ...]


def box_ops() -> Any:
    """``torchvision.ops``, imported when it is needed."""
    from torchvision import ops  # type: ignore[import-untyped]

    return ops


def corners(boxes: Any) -> Any:
    """Centre and sides (..., 4) to corners."""
    import torch

    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def focal(logits: Any, target: Any) -> Any:
    """Sigmoid focal loss per element (Lin et al., arXiv 1708.02002)."""
    import torch.nn.functional as F  # noqa: N812

    p = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    right = p * target + (1 - p) * (1 - target)
    return (ALPHA * target + (1 - ALPHA) * (1 - target)) * entropy * (1 - right) ** 2


def match(logits: Any, boxes: Any, target: Target, many: int) -> tuple[Any, Any]:
    """Which query answers for which box: two index tensors. ``many`` queries a box if above 1, else Hungarian."""
    import torch
    from scipy.optimize import linear_sum_assignment

    with torch.no_grad():
        p = logits.sigmoid()
        weights = torch.zeros(len(target.boxes), logits.shape[1])
        for row, tokens in enumerate(target.tokens):
            weights[row, list(tokens)] = 1 / len(tokens)
        hit = ALPHA * (1 - p) ** 2 * -(p + 1e-8).log()
        miss = (1 - ALPHA) * p**2 * -(1 - p + 1e-8).log()
        cost = 2 * (hit - miss) @ weights.T + 5 * torch.cdist(boxes, target.boxes, p=1)
        cost = cost - 2 * box_ops().generalized_box_iou(corners(boxes), corners(target.boxes))
        if many == 1:
            queries, things = linear_sum_assignment(cost.numpy())
            return torch.as_tensor(queries), torch.as_tensor(things)
        cheap, at = cost.topk(min(many, len(cost)), 0, largest=False)
        kept = torch.full_like(cost, 1e9).scatter_(0, at, cheap)
        lowest, thing = kept.min(1)
        queries = torch.where(lowest < 1e8)[0]
        return queries, thing[queries]


def layer_loss(logits: Any, boxes: Any, mask: Any, targets: list[Target], many: int = 1) -> Any:
    """Loss of one layer's answers: ``logits`` (B, Q, L), ``boxes`` (B, Q, 4), ``mask`` (B, L) of real tokens."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    total = logits.new_zeros(())
    count = max(1, sum(len(t.boxes) for t in targets))
    for row, target in enumerate(targets):
        own = logits[row, :, : mask.shape[1]][:, mask[row].bool()]
        wanted = torch.zeros_like(own)
        if not len(target.boxes):
            total = total + 2 * focal(own, wanted).sum() / many
            continue
        queries, things = match(own, boxes[row], target, many)
        for query, thing in zip(queries.tolist(), things.tolist(), strict=True):
            wanted[query, list(target.tokens[thing])] = 1
        share = len(target.boxes) / len(queries)
        found, truth = boxes[row][queries], target.boxes[things]
        overlap = box_ops().generalized_box_iou(corners(found), corners(truth)).diag()
        placed = 5 * F.l1_loss(found, truth, reduction="sum") + 2 * (1 - overlap).sum()
        total = total + 2 * focal(own, wanted).sum() * (share if many > 1 else 1) + placed * share
    return total / count


def answers(model: Any, pixels: Any, ids: Any, mask: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    """Run the detector: its raw output and (logits, boxes) of every decoder layer."""
    import torch

    out = model.model(
        pixel_values=pixels,
        input_ids=ids,
        attention_mask=mask,
        token_type_ids=torch.zeros_like(ids),
        return_dict=True,
    )
    states, references = out.intermediate_hidden_states, out.intermediate_reference_points
    layers = []
    for layer in range(states.shape[1]):
        start = out.init_reference_points if layer == 0 else references[:, layer - 1]
        boxes = (model.bbox_embed[layer](states[:, layer]) + torch.special.logit(start, eps=1e-5)).sigmoid()
        logits = model.class_embed[layer](
            vision_hidden_state=states[:, layer],
            text_hidden_state=out.encoder_last_hidden_state_text,
            text_token_mask=mask.bool(),
        )
        layers.append((logits, boxes))
    return out, layers


def detection_loss(model: Any, pixels: Any, ids: Any, mask: Any, targets: list[Target]) -> Any:
    """Loss of all decoder layers and of the encoder's proposals."""
    import torch

    out, layers = answers(model, pixels, ids, mask)
    total = sum(layer_loss(logits, boxes, mask, targets) for logits, boxes in layers)
    raw = out.enc_outputs_coord_logits
    raw = torch.where(torch.isfinite(raw), raw, torch.full_like(raw, 30.0)).clamp(-30, 30)
    return total + layer_loss(out.enc_outputs_class, raw.sigmoid(), mask, targets, many=MANY)
