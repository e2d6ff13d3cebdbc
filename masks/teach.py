"""Label photographs for the foreground network: ``python -m masks.teach PHOTOS RUNS [--network FOLDER]``.

Of a folder of product photographs without ground truth, those are labelled whose mask is sure: first by the colour key,
which knows plain backdrops; then, with ``--network``, by what a network that learned from these makes of the others
(self-training). Every fifth photo by the checksum of its name is held out, and people are left out.
"""

from __future__ import annotations

import argparse
import multiprocessing
import zlib
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from masks import confidence, ops
from masks.backdrop import key_subject
from masks.person import find_person
from masks.product import find_product
from pipeline.embedded.foreground import load_foreground
from pipeline.embedded.train.foreground import PHOTO_LESSONS
from pipeline.embedded.train.lessons import lessons_of
from pipeline.files.picture import read_picture
from pipeline.types import Image, Mask

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff"})
KEY_SURE, NETWORK_SURE = 0.6, 0.75
Label = tuple[Image, NDArray[np.float32] | None]


def is_held_out(name: str) -> bool:
    """Whether a photo is kept for looking at results: every fifth."""
    return zlib.crc32(name.encode()) % 5 == 0


def photos_in(folder: Path) -> list[Path]:
    """The pictures of a folder, in order."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


_loaded = cache(load_foreground)  # once a process, not once a photo


def label(path: Path, network: Path | None) -> Label | None:
    """A photo with its mask, with None where no mask is sure; None for a photo of a person."""
    image = read_picture(str(path)).image
    person = find_person(image)
    if person is not None and person.has_face:
        return None
    keyed = key_subject(image)
    if keyed is not None and confidence.of_keyed(keyed).confidence >= KEY_SURE:
        return image, _alone(keyed.mask)
    if network is not None:
        product = find_product(image, _loaded(network))
        if product is not None and confidence.of_product(product).confidence >= NETWORK_SURE:
            return image, _alone(product.mask)
    return image, None


def _alone(mask: Mask) -> NDArray[np.float32]:
    """A mask without the corners of rugs and walls that stood out as well: parts at the frame beside the main one."""
    frame = np.zeros_like(mask)
    frame[[0, -1]], frame[:, [0, -1]] = True, True
    main = ops.largest_part(mask)
    return (mask & ~ops.parts_touching(mask & ~main, frame)).astype(np.float32)


def labels(paths: Sequence[Path], network: Path | None) -> Iterator[Label]:
    """All photos but people, labelled on all processor cores, started afresh: MediaPipe does not survive a fork."""
    with multiprocessing.get_context("spawn").Pool(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        for row in pool.imap(partial(label, network=network), paths, chunksize=8):
            if row is not None:
                yield row


def main(arguments: Sequence[str] | None = None) -> None:
    """Label a folder's photos and write the lessons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of photographs")
    parser.add_argument("runs", type=Path, help="folder of the training")
    parser.add_argument("--network", type=Path, help="weights of a foreground network that labels what the key cannot")
    options = parser.parse_args(arguments)
    paths = [path for path in photos_in(options.photos) if not is_held_out(path.name)]
    lessons = lessons_of(list(labels(paths, options.network)))
    lessons.save(options.runs / PHOTO_LESSONS)
    print(f"{len(paths)} photos: {len(lessons.known)} without people, {np.count_nonzero(lessons.known)} labelled")


if __name__ == "__main__":
    main()
