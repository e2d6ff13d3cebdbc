"""What detector and segmenter saw in a picture, stored once and asked for ever after.

Raw scores are kept per picture and phrase, embeddings per picture, under the picture's digest and the fingerprint of
the weights; no threshold is part of a key. So another threshold, another row's override, a slider of the touch-up page
and a tuning sheet all read the store, and neither the detector nor the segmenter's encoder runs again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from masks.detect import Detected, Detector, detect, load_detector
from masks.detectors.captions import clean_phrase
from masks.detectors.types import PhraseScores, RawDetections
from masks.segment import embed, load_segmenter
from masks.segmenters.types import Embedding, Segmenter
from masks.text import text_masks
from masks.tune_types import Tuned
from masks.tuned import phrases_to_ask, tune_subject
from pipeline.files.store import Result, Store, stage_key
from pipeline.models.checkpoints import checkpoint
from pipeline.models.devices import loaded_models
from pipeline.models.weights import fingerprint
from pipeline.types import Image, Json

VERSIONS = {"scores": 1, "embedding": 1}
"""Raise a number when detecting or embedding gives other results of the same weights."""

Made = tuple[dict[str, bytes], Json]
StageCall = Callable[[str, str, Callable[[], Made]], Result]
"""Name, key and maker of a stage to its result: `flows.way.ItemWay.stage`, which also counts and times."""


class Evidence:
    """Stored scores and embeddings of one detector and one segmenter; loads a model only if it must."""

    def __init__(
        self, store: Store, detector: str, segmenter: str, *, accept_licence: Sequence[str] = (), device: str = "auto",
        stage: StageCall | None = None,
    ) -> None:  # fmt: skip
        """Loads nothing yet.

        Args:
            store: where results lie.
            detector: a detector's checkpoint.
            segmenter: a segmenter's checkpoint.
            accept_licence: ids of checkpoints whose non-commercial licence is accepted.
            device: where both run.
            stage: makes a missing result and keeps it; by default the store alone.
        """
        self.store = store
        self.accept_licence = tuple(accept_licence)
        self.device = device
        self._names = {"detector": detector, "segmenter": segmenter}
        self._stage = stage or self._keep

    def scores_key(self, digest: str, phrase: str) -> str:
        """The key of one phrase's raw scores. Raises WeightsMissing."""
        weights = _fingerprint(self._names["detector"])
        return stage_key("scores", VERSIONS["scores"], {"phrase": clean_phrase(phrase)}, [digest], weights)

    def embedding_key(self, digest: str) -> str:
        """The key of the picture's embedding. Raises WeightsMissing."""
        weights = _fingerprint(self._names["segmenter"])
        return stage_key("embedding", VERSIONS["embedding"], None, [digest], weights)

    def keys(self, digest: str, phrases: Sequence[str]) -> list[str]:
        """The keys of all that is stored of a picture for these phrases."""
        return [*(self.scores_key(digest, phrase) for phrase in phrases), self.embedding_key(digest)]

    def scores(self, digest: str, image: Image | Callable[[], Image], phrases: Sequence[str]) -> RawDetections:
        """Raw detections of all phrases; the detector runs once for those that are not stored.

        Args:
            digest: SHA-256 of the picture's file.
            image: (H, W, 3) uint8 RGB, or what opens it if needed.
            phrases: what to look for; duplicates once.

        Raises:
            RecipeError: a phrase that cannot be asked.
            WeightsMissing: the detector is not on this machine.
        """
        asked = list(dict.fromkeys(clean_phrase(phrase) for phrase in phrases))
        keys = {phrase: self.scores_key(digest, phrase) for phrase in asked}
        stored = {phrase: self.store.get(key, verify=False) for phrase, key in keys.items()}
        missing = [phrase for phrase, result in stored.items() if result is None]
        # One run for all that is missing: the backbone sees the picture once.
        seen = cache(lambda: detect(self.detector, image() if callable(image) else image, missing))
        parts: list[RawDetections] = []
        for phrase, key in keys.items():
            found = stored[phrase] or self._stage("scores", key, lambda phrase=phrase: _one(seen(), phrase))  # type: ignore[misc]
            parts.append(RawDetections.from_bytes(found.read("scores.npz")))
        phrases_seen: tuple[PhraseScores, ...] = tuple(part.phrases[0] for part in parts)
        return RawDetections(size=parts[0].size, phrases=phrases_seen, fingerprint=parts[0].fingerprint)

    def embedding(self, digest: str, image: Image | Callable[[], Image]) -> Embedding:
        """The segmenter's embedding of a picture; arguments as for `scores`. Raises WeightsMissing."""

        def make() -> Made:
            seen = embed(self.segmenter, image() if callable(image) else image)
            return {"embedding.npz": seen.to_bytes()}, None

        return Embedding.from_bytes(self._stage("embedding", self.embedding_key(digest), make).read("embedding.npz"))

    def things(self, digest: str, image: Image, phrases: Sequence[str], **options: Any) -> list[Detected]:
        """What phrases name in a picture, the best first; ``options`` are further arguments of ``text_masks``."""
        raw = self.scores(digest, image, [*phrases, *options.get("exclude", ())])
        return text_masks(
            None, self.segmenter, image, phrases, raw=raw, embedding=lambda: self.embedding(digest, image), **options
        )

    def tuned(
        self, digest: str, image: Image | Callable[[], Image], phrases: Sequence[str], *, exclude: Sequence[str] = (),
        **options: Any,
    ) -> Tuned:  # fmt: skip
        """The subject by a threshold of the picture's own; ``options`` are further arguments of ``tune_subject``."""
        raw = self.scores(digest, image, phrases_to_ask(phrases, exclude))
        seen = self.embedding(digest, image)
        return tune_subject(raw, self.segmenter, seen, phrases, exclude=exclude, **options)

    @property
    def detector(self) -> Detector:
        """The detector, loaded once per process. Raises WeightsMissing."""
        return self._loaded("detector", load_detector)  # type: ignore[no-any-return]

    @property
    def segmenter(self) -> Segmenter:
        """The segmenter, loaded once per process. Raises WeightsMissing."""
        return self._loaded("segmenter", load_segmenter)  # type: ignore[no-any-return]

    def _loaded(self, role: str, load: Callable[..., Any]) -> Any:
        row = checkpoint(self._names[role])
        make = partial(load, row, device=self.device, accept_licence=self.accept_licence)
        return loaded_models().get(f"{row!r} {self.device}", row.size_gb, make)

    def _keep(self, name: str, key: str, make: Callable[[], Made]) -> Result:
        return self.store.get(key, verify=False) or self.store.put(key, *make())


def _one(seen: RawDetections, phrase: str) -> Made:
    part = RawDetections(size=seen.size, phrases=(seen.of(phrase),), fingerprint=seen.fingerprint)
    return {"scores.npz": part.to_bytes()}, {"phrase": phrase}


@cache
def _fingerprint(name: str) -> str:
    return fingerprint(checkpoint(name))
