"""The two sides of the generation bench, each in a process of its own that answers one JSON line a request.

`plain` is the script that diffusers' own documentation leads to; `ours` is Seamline's inpaint pass.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

PROMPT: Final = "a product on a marble table, soft daylight"
QUALITY: Final = 92
PEAK_PX: Final = 3072
"""Side of the square matrices whose product is taken for the processor's peak."""


@dataclass(kw_only=True)
class Spent:
    """Seconds inside the networks since the last `clear`: every UNet call, and the VAE and text encoder together."""

    unet_s: list[float] = field(default_factory=list)
    other_s: float = 0.0

    def clear(self) -> None:
        """Start counting anew."""
        self.unet_s.clear()
        self.other_s = 0.0

    @property
    def total_s(self) -> float:
        """All networks together."""
        return sum(self.unet_s) + self.other_s

    def watch(self, pipe: Any) -> None:
        """Count the pipeline's network calls from now on."""

        def timed(network: Any, name: str, note: Callable[[float], None]) -> None:
            own = getattr(network, name)

            def call(*args: Any, **kwargs: Any) -> Any:
                began = time.perf_counter()
                try:
                    return own(*args, **kwargs)
                finally:
                    note(time.perf_counter() - began)

            setattr(network, name, call)

        timed(pipe.unet, "forward", self.unet_s.append)
        timed(pipe.text_encoder, "forward", self._other)
        timed(pipe.vae, "encode", self._other)
        timed(pipe.vae, "decode", self._other)

    def _other(self, seconds: float) -> None:
        self.other_s += seconds


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one request cost: whole seconds, the processor's own (all cores), those without files, those of networks."""

    seconds: float
    cpu_s: float
    pass_s: float
    networks_s: float
    unet_s: list[float]
    peak_mb: float


Once = Callable[[Path, Path, Path, int], float]
"""(photo, mask, result, seed): one item; returns the seconds without reading and writing files."""


def plain_side(folder: Path, px: int, steps: int) -> tuple[Once, Any]:
    """The plain script: fp32, the whole photo scaled to the model's size, painted, scaled back, pasted by the mask."""
    import torch
    from diffusers import StableDiffusionInpaintPipeline
    from PIL import Image

    from pipeline.models.families.diffusion import quiet

    with quiet():
        pipe: Any = StableDiffusionInpaintPipeline.from_pretrained(folder, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)

    def once(photo_path: Path, mask_path: Path, result_path: Path, seed: int) -> float:
        photo, mask = Image.open(photo_path).convert("RGB"), Image.open(mask_path).convert("L")
        began = time.perf_counter()
        made = pipe(
            prompt=PROMPT, image=photo.resize((px, px)), mask_image=mask.resize((px, px)), height=px, width=px,
            num_inference_steps=steps, guidance_scale=1.0, generator=torch.Generator().manual_seed(seed),
        ).images[0]  # fmt: skip
        result = Image.composite(made.resize(photo.size, Image.Resampling.LANCZOS), photo, mask)
        spent = time.perf_counter() - began
        result.save(result_path, quality=QUALITY)
        return spent

    return once, pipe


def our_side(row: str) -> tuple[Once, Any]:
    """Seamline: the photo read, the inpaint pass on it (crop, paint, fit, blend, paste), the result encoded."""
    from pipeline.files.codec import decode_mask
    from pipeline.files.encode import encode_picture
    from pipeline.files.picture import read_picture
    from pipeline.models.generators import load_generator
    from pipeline.passes.inpaint import Wish, inpaint

    generator = load_generator(row, device="cpu")

    def once(photo_path: Path, mask_path: Path, result_path: Path, seed: int) -> float:
        photo, mask = read_picture(str(photo_path)).image, decode_mask(mask_path.read_bytes())
        began = time.perf_counter()
        made = inpaint(generator, photo, mask, Wish(prompt=PROMPT, seed=seed)).image
        spent = time.perf_counter() - began
        result_path.write_bytes(encode_picture(made, quality=QUALITY))
        return spent

    return once, generator.pipe


def peak_memory_mb() -> float:
    """The most memory that this process has held, in units of 2^20 bytes."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def matmul_peak(dtype: str) -> float:
    """The best of four large matrix products in ``dtype``, in 10^12 operations a second."""
    import torch

    kind = getattr(torch, dtype)
    left, right = (torch.randn(PEAK_PX, PEAK_PX).to(kind) for _ in range(2))
    best = float("inf")
    for _ in range(4):
        began = time.perf_counter()
        torch.mm(left, right)
        best = min(best, time.perf_counter() - began)
    return float(2 * PEAK_PX**3 / best / 1e12)


def serve(once: Once, pipe: Any, requests: Iterator[str], say: Callable[[str], object]) -> None:
    """Answer requests until they end: ``{"items": [[photo, mask, result, seed], ...]}`` or ``{"peak": true}``."""
    spent = Spent()
    spent.watch(pipe)
    dtype = str(next(pipe.unet.parameters()).dtype).removeprefix("torch.")
    say(json.dumps({"dtype": dtype}))
    for line in requests:
        request = json.loads(line)
        if request.get("peak"):
            say(json.dumps({"peak": matmul_peak(dtype)}))
            continue
        spent.clear()
        began, cpu_began, passes = time.perf_counter(), time.process_time(), 0.0
        for photo, mask, result, seed in request["items"]:
            passes += once(Path(photo), Path(mask), Path(result), seed)
        answer = Answer(
            seconds=time.perf_counter() - began, cpu_s=time.process_time() - cpu_began, pass_s=passes,
            networks_s=spent.total_s, unet_s=list(spent.unet_s), peak_mb=peak_memory_mb(),
        )  # fmt: skip
        say(json.dumps(asdict(answer)))


def main(arguments: Sequence[str]) -> None:
    """``plain FOLDER PX STEPS`` or ``ours ROW``; answers go to the standard output that the process began with."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print must not stand among the answers
    side = plain_side(Path(arguments[1]), int(arguments[2]), int(arguments[3])) if arguments[0] == "plain" else None
    once, pipe = side or our_side(arguments[1])

    def say(line: str) -> None:
        answers.write(line + "\n")
        answers.flush()

    serve(once, pipe, iter(sys.stdin.readline, ""), say)


if __name__ == "__main__":
    main(sys.argv[1:])
