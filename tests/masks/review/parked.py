"""A parked batch without a run: drawn photos with drawn masks, in a real ledger, store and shelf."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvicorn

from masks.review.app import create_app
from masks.shelf import Shelf, shelf_of
from pipeline.files.codec import pack_subject
from pipeline.files.ledger import Ledger
from pipeline.files.picture import decode_picture, encode_picture, read_bytes
from pipeline.files.preview import previews
from pipeline.files.recipe import load_recipe
from pipeline.files.store import Store, canonical_json, stage_key
from pipeline.types import Alpha, Image, Item, ItemState, Subject

SIZE = (180, 240)


@dataclass(frozen=True, kw_only=True)
class Parked:
    """A batch in which every item waits, and where its files lie."""

    runs: Path
    batch: str
    ledger: Ledger
    store: Store
    shelf: Shelf


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """One photo to park."""

    sku: str
    view: str
    photo: bytes
    alpha: Alpha
    confidence: float
    reasons: tuple[str, ...] = ("drawn",)
    finder: str = "backdrop"
    title: str = ""
    phrases: tuple[str, ...] = ()


def drawn(seed: int, size: tuple[int, int] = SIZE) -> tuple[Image, Alpha]:
    """A disc on grey, and a soft mask that is a little off."""
    height, width = size
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    image = np.full((height, width, 3), 232, np.uint8)
    image[distance < height / 3] = rng.integers(10, 200, 3)
    alpha = np.clip((height / 3.4 - distance) / 6 + 0.5, 0, 1).astype(np.float32)
    return image, alpha


def doubts(number: int = 3) -> list[Doubt]:
    """Drawn photos, least sure first."""
    made = []
    for seed in range(number):
        image, alpha = drawn(seed)
        photo = encode_picture(image, file_format="png")
        made.append(Doubt(sku=f"shoe/{seed} <b>", view="front", photo=photo, alpha=alpha, confidence=0.2 + seed / 10))
    return made


def park(folder: Path, items: Sequence[Doubt], name: str = "packshot") -> Parked:
    """Write photos, masks and previews, and a finished batch in which all of them wait."""
    runs = folder / "runs"
    recipe = load_recipe(f"{name}.yaml", [f"batch.runs={runs}", f"catalog.address={folder / 'photos'}"])
    ledger, store = Ledger(f"sqlite:///{runs / 'ledger.sqlite'}"), Store(runs / "store")
    text = canonical_json(recipe.model_dump(mode="json"))
    batch = ledger.begin_batch(
        recipe_name=recipe.name, recipe_digest="d", recipe_text=text, catalog="photos", version="1"
    ).id
    (folder / "photos").mkdir()
    for row, doubt in enumerate(items):
        path = folder / "photos" / f"{row}.img"
        path.write_bytes(doubt.photo)
        item = Item(
            sku=doubt.sku,
            view=doubt.view,
            address=str(path),
            row=row + 2,
            overrides={"subject.phrases": list(doubt.phrases), "subject.box_threshold": 0.3} if doubt.phrases else {},
            attributes={"title": doubt.title},
        )
        ledger.add_items(batch, [(item, 0)])
        _park_item(ledger, store, batch, item, doubt)
    ledger.finish_batch(batch)
    return Parked(runs=runs, batch=batch, ledger=ledger, store=store, shelf=shelf_of(str(runs)))


def _park_item(ledger: Ledger, store: Store, batch: str, item: Item, doubt: Doubt) -> None:
    picture = decode_picture(read_bytes(item.address), item.address)
    subject = Subject(
        mask=doubt.alpha >= 0.5,
        alpha=doubt.alpha,
        foreground=picture.image,
        confidence=doubt.confidence,
        finder=doubt.finder,
        reasons=doubt.reasons,
    )
    found = store.put(stage_key("subject", 1, None, [picture.digest]), *pack_subject(subject))
    shown = store.put(stage_key("preview", 1, None, [found.key]), previews(picture.image, doubt.alpha, None))
    ledger.update(
        batch,
        item.sku,
        item.view,
        state=ItemState.PARKED,
        reason=f"mask confidence {doubt.confidence:.2f} is under park_below 0.6",
        keys={"subject": found.key, "preview": shown.key},
        scores={"finder": doubt.finder, "reasons": list(doubt.reasons)},
        confidence=doubt.confidence,
        source_digest=picture.digest,
    )


@contextmanager
def served(parked: Parked, **options: object) -> Iterator[str]:
    """The touch-up page on a free port of this machine, as its address."""
    app = create_app(parked.ledger, parked.store, parked.shelf, **options)  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the page's server ended before it began"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
