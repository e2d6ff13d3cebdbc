"""One item again, by itself, for the touch-up page: what it would become. Its record stays as it is."""

from __future__ import annotations

from flows.stages import walk
from flows.way import ItemWay
from flows.workplace import BatchAddress, open_workplace
from masks.review.assist import Outcome, Rerun
from masks.shelf import Revision
from pipeline.errors import ItemError, ModelError
from pipeline.files.ledger import Batch, Record
from pipeline.files.picture import decode_picture, encode_picture
from pipeline.files.preview import shrink

LONGEST_PX = 1600
"""Of the picture that is shown."""


def rerun_from(runs: str, ledger: str) -> Rerun:
    """What works on one item of the batches in ``runs``, all of its recipe's stages, whatever is in the store."""

    def rerun(batch: Batch, record: Record, revision: Revision | None) -> Outcome:
        work = open_workplace(BatchAddress(runs=runs, ledger=ledger, batch=batch.id))
        way = ItemWay(work, record)
        way.for_show = True
        way.__dict__["word"] = revision  # in place of what the shelf says
        seen = record.keys.get("subject")
        way.found = seen if seen and work.store.has(seen) else None
        try:
            ending = walk(way)
        except (ItemError, ModelError) as error:
            return Outcome(picture=None, notes=(str(error),))
        noted = ending.scores.get("notes")
        notes = tuple(str(note) for note in noted) if isinstance(noted, list) else ()
        if ending.reason is not None:
            return Outcome(picture=None, notes=(ending.reason, *notes))
        shown = shrink(decode_picture(ending.data, ending.name).image, LONGEST_PX)
        return Outcome(picture=encode_picture(shown, file_format="jpeg", quality=90), notes=notes)

    return rerun
