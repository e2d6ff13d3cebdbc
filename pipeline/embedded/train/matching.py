"""The detector's loss.

transformers' own cannot train it: its proposals get no gradient, and its targets shift in a batch.

A decoder layer's boxes have the query that is matched to them (Hungarian, as in DETR, arXiv 2005.12872), and those that
lie on them. The encoder's proposals are taught densely, as in FCOS (arXiv 1904.01355): every place on a named thing
says its phrase and regresses its box, the smallest thing's where several lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pipeline.embedded.train.loop import fast_arithmetic

ALPHA: Final = 0.25
ON_BOX: Final = 0.6
"""IoU with a thing's box from which any query answers for it."""
ABSENT_PLACES: Final = 8
"""How many places' worth the loss of an absent phrase is divided by."""
ON_THING: Final = 0.5
"""Share of a cell that a thing must cover to be its place."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What one picture's caption names.

    Attributes:
        boxes: (n, 4) centre and sides in [0, 1].
        tokens: each box's token positions.
        masks: (n, h, w) float32, each thing's pixels, at any size of the picture's aspect.
        asked: the token positions of every phrase of the caption, present or absent.
    """

    boxes: Any
    tokens: tuple[tuple[int, ...], ...]
    masks: Any
    asked: tuple[tuple[int, ...], ...] = ()


def box_ops() -> Any:
    """``torchvision.ops``, imported when it is needed."""
    from torchvision import ops  # type: ignore[import-untyped]

    return ops


def corners(boxes: Any) -> Any:
    """Centre and sides (..., 4) to corners."""
    import torch

    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def focal(logits: Any, target: Any, alpha: float = ALPHA) -> Any:
    """Sigmoid focal loss per element (Lin et al., arXiv 1708.02002)."""
    import torch.nn.functional as F  # noqa: N812

    p = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    right = p * target + (1 - p) * (1 - target)
    return (alpha * target + (1 - alpha) * (1 - target)) * entropy * (1 - right) ** 2


def quality_focal(logits: Any, target: Any) -> Any:
    """Quality focal loss per element: a box's score is taught to be its IoU (Li et al., arXiv 2006.04388)."""
    import torch.nn.functional as F  # noqa: N812

    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return entropy * (logits.sigmoid() - target).abs() ** 2


def pair_iou(found: Any, truth: Any) -> Any:
    """(n,) IoU of each found box (n, 4) with its own true one, at least 0.1 and without gradient."""
    import torch

    with torch.no_grad():
        a, b = corners(found), corners(truth)
        shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
        union = found[:, 2:].prod(1) + truth[:, 2:].prod(1) - shared
        return (shared / union.clamp(min=1e-6)).clamp(min=0.1)


def match(logits: Any, boxes: Any, target: Target) -> tuple[Any, Any]:
    """Which query answers for which box, one to one (Hungarian): two index tensors."""
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
        queries, things = linear_sum_assignment(cost.numpy())
    return torch.as_tensor(queries), torch.as_tensor(things)


def answering(logits: Any, boxes: Any, target: Target) -> tuple[Any, Any]:
    """Which queries answer for which box: the one matched to it, and every other that lies on it already.

    The others would teach each other down until no score is high; non-maximum suppression, which follows anyway,
    makes one of them.
    """
    import torch

    queries, things = match(logits, boxes, target)
    overlap = box_ops().box_iou(corners(boxes.detach()), corners(target.boxes))
    near = overlap >= ON_BOX
    near[queries, things] = False
    more = near.nonzero()
    return torch.cat([queries, more[:, 0]]), torch.cat([things, more[:, 1]])


def placed(found: Any, truth: Any, weights: Any) -> Any:
    """L1 and generalised IoU loss of pairs of boxes (n, 4), summed with ``weights`` (n,)."""
    import torch.nn.functional as F  # noqa: N812

    overlap = box_ops().generalized_box_iou_loss(corners(found), corners(truth), reduction="none")
    return ((5 * F.l1_loss(found, truth, reduction="none").sum(1) + 2 * overlap) * weights).sum()


def shared_out(numbers: Any) -> Any:
    """(n,) one over how often each of ``numbers`` (n,) occurs: what belongs to one thing weighs one in all.

    Without it a person, answered for by thirty queries and hundreds of cells, drowns the shoes, which have one.
    """
    import torch

    _, inverse, counts = torch.unique(numbers, return_inverse=True, return_counts=True)
    return 1.0 / counts[inverse].float()


def phrase_loss(each: Any, wanted: Any, mask: Any, targets: list[Target]) -> Any:
    """Mean over asked phrases of their tokens' losses, each in units of the places that answer for it.

    Args:
        each: (B, N, L) loss of every place and token.
        wanted: (B, N, L) targets; above zero where a place answers.
        mask: (B, L) real tokens; those of no phrase must stay silent.
    """
    terms = []
    for row, target in enumerate(targets):
        silent = mask[row].bool().clone()
        for tokens in target.asked:
            silent[list(tokens)] = False
            answering_places = int((wanted[row, :, tokens[0]] > 0).sum())
            terms.append(each[row][:, list(tokens)].sum() / (answering_places or ABSENT_PLACES))
        terms.append(each[row][:, silent].mean())
    return sum(terms) / max(sum(len(t.asked) for t in targets), 1)


def layer_loss(logits: Any, boxes: Any, mask: Any, targets: list[Target]) -> Any:
    """Loss of a decoder layer: ``logits`` (B, Q, L), ``boxes`` (B, Q, 4), ``mask`` (B, L) of real tokens."""
    import torch

    own = logits[:, :, : mask.shape[1]]
    wanted = torch.zeros_like(own)
    found, truth, weights = [], [], []
    for row, target in enumerate(targets):
        if len(target.boxes):
            queries, things = answering(own[row], boxes[row], target)
            overlap = pair_iou(boxes[row][queries], target.boxes[things])
            for query, thing, iou in zip(queries.tolist(), things.tolist(), overlap, strict=True):
                wanted[row, query, list(target.tokens[thing])] = iou
            found.append(boxes[row][queries])
            truth.append(target.boxes[things])
            weights.append(shared_out(things))
    total = 4 * phrase_loss(quality_focal(own, wanted), wanted, mask, targets)
    if found:
        things_in_all = sum(len(t.boxes) for t in targets)
        total = total + placed(torch.cat(found), torch.cat(truth), torch.cat(weights)) / things_in_all
    return total + 2 * presence_loss(own, wanted, targets)


def presence_loss(logits: Any, wanted: Any, targets: list[Target]) -> Any:
    """Cross-entropy of each asked phrase's best score: of all queries if it is absent, of the right ones if present.

    The focal loss hardly minds a score of 0.3 for what is not there, and thresholds do.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812

    best, present = [], []
    for row, target in enumerate(targets):
        for tokens in target.asked:
            right = wanted[row, :, tokens[0]] > 0
            there = bool(right.any())
            own = logits[row][right] if there else logits[row]
            best.append(own[:, list(tokens)].max())
            present.append(float(there))
    if not best:
        return logits.new_zeros(())
    return F.binary_cross_entropy_with_logits(torch.stack(best), torch.tensor(present))


def places(target: Target, shapes: list[tuple[int, int]]) -> Any:
    """(n, N) bool: which cells of all levels lie on each thing; a thing too small for any has its best cell."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    shares = [F.adaptive_avg_pool2d(target.masks[None], shape)[0].flatten(1) for shape in shapes]
    covered = torch.cat([s >= ON_THING for s in shares], 1)
    finest = torch.zeros_like(covered)
    finest.scatter_(1, shares[0].argmax(1, keepdim=True), True)
    return covered | finest


def proposals_loss(logits: Any, boxes: Any, mask: Any, targets: list[Target], shapes: list[tuple[int, int]]) -> Any:
    """Loss of the encoder at every cell of levels of ``shapes``: ``logits`` (B, N, L), ``boxes`` (B, N, 4)."""
    import torch

    own = logits[:, :, : mask.shape[1]]
    wanted = torch.zeros_like(own)
    found, truth, weights = [], [], []
    for row, target in enumerate(targets):
        if not len(target.boxes):
            continue
        on = places(target, shapes)
        for thing, tokens in enumerate(target.tokens):
            cells = on[thing].nonzero()[:, 0]
            wanted[row, cells[:, None], torch.tensor(tokens)[None]] = 1
        areas = target.boxes[:, 2] * target.boxes[:, 3]
        smallest = torch.where(on, areas[:, None], torch.inf).min(0).indices
        cells = on.any(0).nonzero()[:, 0]
        found.append(boxes[row][cells])
        truth.append(target.boxes[smallest[cells]])
        weights.append(shared_out(smallest[cells]))
    total = 4 * phrase_loss(focal(own, wanted), wanted, mask, targets)
    if found:
        things_in_all = sum(len(t.boxes) for t in targets)
        total = total + placed(torch.cat(found), torch.cat(truth), torch.cat(weights)) / things_in_all
    return total


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


def level_shapes(pixels: Any, levels: int) -> list[tuple[int, int]]:
    """Height and width of the encoder's levels, finest (8 px) first."""
    height, width = pixels.shape[-2:]
    return [(-(-height // 2**power), -(-width // 2**power)) for power in range(3, 3 + levels)]


def detection_loss(model: Any, pixels: Any, ids: Any, mask: Any, targets: list[Target]) -> Any:
    """Loss of all decoder layers and of the encoder's proposals."""
    import torch

    with fast_arithmetic():
        out, layers = answers(model, pixels, ids, mask)
    total = sum(layer_loss(logits.float(), boxes.float(), mask, targets) for logits, boxes in layers)
    raw = out.enc_outputs_coord_logits.float()
    raw = torch.where(torch.isfinite(raw), raw, torch.full_like(raw, 30.0)).clamp(-30, 30)
    shapes = level_shapes(pixels, model.config.num_feature_levels)
    return total + proposals_loss(out.enc_outputs_class.float(), raw.sigmoid(), mask, targets, shapes)
