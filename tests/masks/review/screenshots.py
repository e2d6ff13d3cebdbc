"""Screenshots of every page for docs/images, light and dark: `python -m tests.masks.review.screenshots`.

All photos are Seamline's own renderings (configs/samples). Their masks are found as a batch would, two of them are
spoiled on purpose, and all are parked.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from flows.rerun import rerun_from
from masks.find import find_subject
from pipeline.files.ledger import ledger_url
from pipeline.files.picture import decode_picture
from pipeline.types import Alpha
from tests.masks.review.browser import browser
from tests.masks.review.parked import Doubt, park, served

IMAGES = Path(__file__).parents[3] / "docs" / "images"
SIZE = {"width": 1280, "height": 800}
SAMPLES = {
    "coat-stripe": (0.31, "much of the outline has no edge (0.38)", "coat"),
    "lamp-walnut": (0.42, "the subject is in many parts (0.52)", "lamp"),
    "sneaker-mint": (0.47, "much was taken away as shadow (0.81)", "shoe"),
    "armchair-navy": (0.52, "the backdrop is uneven (7.20)", "chair"),
    "bag-cobalt": (0.58, "colour key and GrabCut disagree (0.74)", "bag"),
}
DETECTED = 4
"""Number of the item, the bag, on which boxes are shown."""


def doubts() -> list[Doubt]:
    """The rendered samples with the masks that the backdrop finder makes of them."""
    made = []
    for sku, (confidence, reason, phrase) in SAMPLES.items():
        photo = files("configs").joinpath(f"samples/{sku}.jpg").read_bytes()
        subject = find_subject(decode_picture(photo, sku), finder="backdrop")
        alpha = spoiled(sku, subject.alpha)
        reasons = (reason, *subject.reasons[:1])
        title = sku.replace("-", " ").capitalize()
        made.append(
            Doubt(
                sku=sku,
                view="front",
                photo=photo,
                alpha=alpha,
                confidence=confidence,
                reasons=reasons,
                title=title,
                phrases=(phrase,),
            )
        )
    return made


def spoiled(sku: str, alpha: Alpha) -> Alpha:
    """A mask with the faults that a reviewer meets: a part that is missing, a shadow that is no product."""
    height, width = alpha.shape
    y, x = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    if sku == "coat-stripe":
        missing = ((x - 0.355) / 0.06) ** 2 + ((y - 0.52) / 0.1) ** 2
        return (alpha * np.clip((missing - 1) * 6, 0, 1)).astype(np.float32)
    if sku == "sneaker-mint":
        shadow = ((x - 0.55) / 0.4) ** 2 + ((y - 0.71) / 0.035) ** 2
        return np.maximum(alpha, np.clip((1 - shadow) * 5, 0, 1)).astype(np.float32)
    return alpha


def take(page: Any, name: str) -> None:
    page.wait_for_timeout(400)
    page.screenshot(path=str(IMAGES / f"review-{name}.png"))
    print(f"review-{name}.png")


def open_editor(page: Any, place: str, number: int = 0) -> None:
    page.goto(f"{place}/")
    with page.expect_navigation():
        page.click(".row")
    page.locator("[data-open]").nth(number).click()
    page.wait_for_selector("#stage[data-state=ready]", timeout=60_000)


def paint(page: Any, points: list[tuple[float, float]]) -> None:
    """A stroke through points in shares of the canvas."""
    box = page.locator("#hand").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def mend(page: Any) -> None:
    """Come closer, and paint half of what is missing."""
    box = page.locator("#hand").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.56 * box["height"])
    for _ in range(4):
        page.mouse.wheel(0, -160)
        page.wait_for_timeout(60)
    page.evaluate("document.querySelector('#size').value = 590")
    page.locator("#size").dispatch_event("input")
    paint(page, [(0.552, 0.26), (0.548, 0.34), (0.543, 0.42), (0.538, 0.47)])


def tour(page: Any, place: str, suffix: str) -> None:
    """Every page once."""
    page.goto(f"{place}/")
    take(page, f"batches-{suffix}")
    with page.expect_navigation():
        page.click(".row")
    page.keyboard.press("j")
    take(page, f"queue-{suffix}")
    open_editor(page, place)
    mend(page)
    take(page, f"editor-{suffix}")
    page.keyboard.press("y")
    for which in ("own", "found"):
        page.wait_for_selector(f"#trial figure[data-which={which}][data-state=ready]", timeout=400_000)
        page.locator(f"#trial figure[data-which={which}] img").evaluate("image => image.decode()")
    take(page, f"result-{suffix}")
    page.click("#trial [data-cancel]")
    for _ in range(2):
        page.keyboard.press("v")
    take(page, f"cutout-{suffix}")
    page.keyboard.press("?")
    take(page, f"keys-{suffix}")
    page.click("#help [data-cancel]")
    page.keyboard.press("d")
    page.click("text=parts are missing")
    take(page, f"redo-{suffix}")
    detected(page, place, suffix)


def detected(page: Any, place: str, suffix: str) -> None:
    """Boxes of a low threshold, outlined, and the mask that the best of them makes."""
    open_editor(page, place, DETECTED)
    page.wait_for_selector("#detected[data-state=ready]", timeout=400_000)
    for chip in page.locator(".chip.box").all()[:1]:
        chip.click()
    page.wait_for_selector("text=Unsaved changes", timeout=120_000)
    page.locator("#threshold").hover()
    take(page, f"detected-{suffix}")


def main() -> None:
    """Take them all."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    each: list[tuple[str, Callable[..., None]]] = [("light", tour), ("dark", tour)]
    with tempfile.TemporaryDirectory() as folder, browser() as running:
        parked = park(Path(folder), doubts())
        rerun = rerun_from(str(parked.runs), ledger_url(str(parked.runs), None))
        with served(parked, reviewer="anna", rerun=rerun) as place:
            for scheme, show in each:
                context = running.new_context(viewport=SIZE, color_scheme=scheme)
                page = context.new_page()
                page.set_default_timeout(120_000)
                page.on("console", lambda message: print(message.text, file=sys.stderr))
                page.on("pageerror", lambda error: print(error, file=sys.stderr))
                show(page, place, scheme)
                context.close()


if __name__ == "__main__":
    main()
