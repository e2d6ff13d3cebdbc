"""What people approved in earlier batches of a recipe, measured, so that a catalog's own habits are known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from masks.priors import Shape, class_of, learn_prior, shape_of, usual
from masks.shelf import Revision, Shelf, place_of
from masks.shelf_formats import read_levels
from masks.shelf_types import RevisionKind
from masks.tuning_sheet import Habit
from pipeline.errors import ItemError, StoreError
from pipeline.files.ledger import Batch, Ledger, Record
from pipeline.files.recipe import Recipe

LIMIT = 200
"""So many approved masks say enough of a catalog."""
LEAST = 3
"""Fewer approved masks of a class say nothing."""
_GOOD = frozenset({RevisionKind.APPROVED, RevisionKind.EDITED, RevisionKind.IMPORTED})


def approved_shapes(ledger: Ledger, shelf: Shelf, recipe_name: str, *, limit: int = LIMIT) -> dict[str, list[Shape]]:
    """Measures of the masks that people approved in batches of this recipe, by class word, newest batches first.

    A photo counts once for each of its subjects; a mask that can no longer be read does not count.
    """
    shapes: dict[str, list[Shape]] = defaultdict(list)
    seen: set[str] = set()
    for batch in ledger.batches(recipe_name=recipe_name):
        for record in ledger.records(batch.id):
            if record.verdict is None or len(seen) >= limit:
                continue
            for word, revision in _words(batch, record, shelf):
                shape = _shape(shelf, revision) if revision.id not in seen else None
                seen.add(revision.id)
                if shape is not None:
                    shapes[word].append(shape)
    return dict(shapes)


def learned(shapes: Mapping[str, Sequence[Shape]]) -> tuple[Habit, ...]:
    """What the approved masks say of every class that has ``LEAST`` of them."""
    habits = []
    for word, siblings in sorted(shapes.items()):
        if len(siblings) >= LEAST:
            area, aspect = usual(learn_prior(word, siblings))
            habits.append(Habit(word=word, count=len(siblings), area=area, aspect=aspect))
    return tuple(habits)


def _words(batch: Batch, record: Record, shelf: Shelf) -> list[tuple[str, Revision]]:
    """The class word and the approved mask of a record's subject, if it has both."""
    try:
        recipe = Recipe.model_validate_json(batch.recipe_text).for_item(record.item)
    except ItemError:
        return []
    phrases = recipe.subject.phrases
    outfit = recipe.kind == "garment" and len(phrases) > 1  # its mask is that of several classes together
    if not phrases or outfit or not record.source_digest:
        return []
    word = shelf.word(place_of(record.source_digest, phrases))
    return [(class_of(phrases[0]), word)] if word is not None and word.kind in _GOOD and word.mask else []


def _shape(shelf: Shelf, revision: Revision) -> Shape | None:
    try:
        return shape_of(read_levels(shelf.read(revision)) >= 128)
    except StoreError:
        return None
