"""Training of the foreground network on renders and on photographs that were labelled without a person's help."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.embedded.foreground import SIDE_PX, build_foreground
from pipeline.embedded.train.lessons import Lessons, drawn, rendered, rendered_places
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.precision import fast_format

SCHEDULE: Final = Schedule(steps=1_800, rate=2e-3, warmup=60, anneal=0.8, average=0.99, clip=2.0)
BATCH: Final = 20
RENDERS: Final = 3_000
PLACES: Final = 160
PHOTO_LESSONS: Final = "lessons-photos.npz"
"""What `python -m masks.teach` writes into a runs folder."""


def mask_loss(logits: Any, truth: Any) -> Any:
    """Cross-entropy plus one minus the soft IoU, both (N, 1, S, S): small subjects count like large ones."""
    import torch

    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)
    seen = torch.sigmoid(logits)
    both = (seen * truth).sum((1, 2, 3))
    either = (seen + truth - seen * truth).sum((1, 2, 3))
    return entropy + (1 - (both + 1) / (either + 1)).mean()


def _kept_renders(path: Path) -> Lessons:
    if not path.exists():
        rendered(RENDERS).save(path)
    return Lessons.open(path)


def train_foreground(runs: Path, *, schedule: Schedule = SCHEDULE, batch: int = BATCH) -> None:
    """Train in ``runs/foreground``; goes on where it stopped. Photographs are used where ``masks.teach`` left some."""
    import torch

    renders = _kept_renders(runs / "lessons-renders.npz")
    photos = Lessons.open(runs / PHOTO_LESSONS) if (runs / PHOTO_LESSONS).exists() else None
    places = rendered_places(PLACES)
    lessons = [renders] if photos is None else [renders, photos]
    torch.manual_seed(0)
    model = build_foreground().to(memory_format=torch.channels_last)
    run = Training(folder=runs / "foreground", model=model, schedule=schedule)

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        made = [drawn(rng, lessons, photos or renders, places, SIDE_PX) for _ in range(batch)]
        pixels = torch.from_numpy(np.stack([image for image, _ in made]).astype(np.float32) / 127.5 - 1)
        truth = torch.from_numpy(np.stack([alpha for _, alpha in made]))[:, None]
        with fast_format():
            logits = model(pixels.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last))
        loss = mask_loss(logits.float(), truth)
        with torch.no_grad():
            seen, there = logits > 0, truth > 0.5
            found = ((seen & there).sum((1, 2, 3)) / (seen | there).sum((1, 2, 3)).clamp(min=1)).mean()
        return loss, {"iou": round(float(found), 4)}

    run.train(loss_of)


def export_foreground(runs: Path, folder: Path) -> None:
    """Write the averaged weights as a folder that loads."""
    from pipeline.embedded.foreground import save_foreground
    from pipeline.embedded.train.run import averaged

    save_foreground(averaged(runs / "foreground"), folder)
