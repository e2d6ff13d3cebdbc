"""A training run that can stop at any moment: checkpoints, a JSONL log, a learning rate that follows the step."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.embedded.train.precision import keep_freed_memory
from pipeline.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Optimiser numbers: peak rate, warm-up steps, constant rate, then a cosine over the last ``anneal`` share."""

    steps: int
    rate: float
    warmup: int = 150
    anneal: float = 0.4
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.998

    def at(self, step: int) -> float:
        """Learning rate at ``step``."""
        warm = min(1.0, (step + 1) / self.warmup)
        start = self.steps * (1 - self.anneal)
        if step <= start:
            return self.rate * warm
        share = min((step - start) / max(self.steps - start, 1), 1.0)
        return self.rate * warm * (0.5 * (1 + math.cos(math.pi * share)) * 0.98 + 0.02)


@contextlib.contextmanager
def fast_arithmetic() -> Iterator[None]:
    """Within the block products are taken in bf16 where the processor has instructions for it.

    With AVX-512 BF16 a step takes about 0.6 of its time; emulated, it took 5 times as long.
    """
    import torch

    with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
        yield


Loss = Callable[[Any, int, np.random.Generator], tuple[Any, dict[str, float]]]
"""(model, step, that step's generator) to the loss to minimise and the numbers to log."""


@dataclass(kw_only=True)
class Training:
    """One model, its optimiser and its running average, in a folder that survives a stop."""

    folder: Path
    model: Any
    schedule: Schedule
    seed: int = 0
    save_every: int = 100
    log_every: int = 20

    def __post_init__(self) -> None:
        """Build the optimiser and take up an earlier checkpoint, if there is one."""
        import torch

        self.folder.mkdir(parents=True, exist_ok=True)
        decayed = [p for p in self.model.parameters() if p.requires_grad and p.ndim > 1]
        rest = [p for p in self.model.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.schedule.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, self.schedule.rate, betas=(0.9, 0.98))
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.step, self.seconds = 0, 0.0
        path = self.folder / "checkpoint.pt"
        if path.exists():
            saved = torch.load(path, weights_only=True)
            if saved["schedule"] != asdict(self.schedule):
                print(f"{self.folder.name}: goes on with another schedule than before", flush=True)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.average, self.step, self.seconds = saved["average"], saved["step"], saved["seconds"]

    def save(self) -> None:
        """Write the checkpoint; an interrupted write leaves the old one."""
        import torch

        path, fresh = self.folder / "checkpoint.pt", self.folder / "checkpoint.pt.tmp"
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "average": self.average,
                "step": self.step,
                "seconds": self.seconds,
                "schedule": asdict(self.schedule),
            },
            fresh,
        )
        fresh.replace(path)

    def log(self, **numbers: float | str) -> None:
        """One line of the run's log, printed too."""
        line = json.dumps({"step": self.step, "seconds": round(self.seconds, 1), **numbers})
        with (self.folder / "log.jsonl").open("a") as out:
            out.write(line + "\n")
        print(line, flush=True)

    def train(
        self,
        loss_of: Loss,
        evaluate: Callable[[dict[str, Any]], dict[str, float]] | None = None,
        evaluate_every: int = 500,
    ) -> None:
        """Run to the schedule's end. The batch of a step depends on seed and step alone.

        Raises:
            ModelError: the loss became infinite or not a number.
        """
        import torch

        keep_freed_memory()
        self.model.train()
        last = time.monotonic()
        while self.step < self.schedule.steps:
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.at(self.step)
            loss, numbers = loss_of(self.model, self.step, np.random.default_rng([self.seed, self.step]))
            if not bool(torch.isfinite(loss)):
                raise ModelError(
                    f"{self.folder.name}: the loss is {float(loss.detach())} at step {self.step}; "
                    "lower the rate and start from the last checkpoint"
                )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.schedule.clip)
            self.optimizer.step()
            self._follow()
            self.step += 1
            now = time.monotonic()
            self.seconds, last = self.seconds + now - last, now
            if self.step % self.log_every == 0 or self.step <= 3:
                self.log(loss=round(float(loss.detach()), 4), norm=round(float(norm), 3), **numbers)
            if self.step % self.save_every == 0:
                self.save()
            if evaluate is not None and (self.step % evaluate_every == 0 or self.step == self.schedule.steps):
                self.model.eval()
                self.log(**evaluate(self.average))
                self.model.train()
                last = time.monotonic()
        self.save()

    def _follow(self) -> None:
        """Move the running average towards the model; early on it follows faster."""
        import torch

        keep = min(self.schedule.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self.average[name].lerp_(value, 1 - keep)
                else:
                    self.average[name].copy_(value)
