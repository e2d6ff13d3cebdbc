"""The tables of the ledger."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = 1

metadata = sa.MetaData()
_text, _json = sa.Text, sa.JSON(none_as_null=True)

about = sa.Table("seamline_ledger", metadata, sa.Column("version", sa.Integer, primary_key=True))

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("recipe_name", _text, nullable=False),
    sa.Column("recipe_digest", _text, nullable=False),
    sa.Column("recipe_text", _text, nullable=False),
    sa.Column("catalog", _text, nullable=False),
    sa.Column("version", _text, nullable=False),
    sa.Column("started", _text, nullable=False),
    sa.Column("finished", _text),
    sa.Column("counts", _json, nullable=False),
    sa.Column("status", _text, nullable=False),
    sa.Index("batches_by_recipe", "recipe_digest", "started"),
)

records = sa.Table(
    "records",
    metadata,
    # SKU first: "was this item finished by an earlier batch?" is asked of every item of a nightly run.
    sa.Column("sku", _text, primary_key=True),
    sa.Column("view", _text, primary_key=True),
    sa.Column("batch", _text, sa.ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("shard", sa.Integer, nullable=False),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("address", _text, nullable=False),
    sa.Column("attributes", _json, nullable=False),
    sa.Column("overrides", _json, nullable=False),
    sa.Column("state", _text, nullable=False),
    sa.Column("reason", _text),
    sa.Column("error", _text),
    sa.Column("keys", _json, nullable=False),
    sa.Column("source_digest", _text),
    sa.Column("scores", _json, nullable=False),
    sa.Column("timings", _json, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("confidence", sa.Float),
    sa.Column("verdict", _text),
    sa.Column("verdict_by", _text),
    sa.Column("verdict_at", _text),
    sa.Column("output", _text),
    sa.Column("updated", _text, nullable=False),
    # In the order of the catalog: a shard's items, exports, contact sheets.
    sa.Index("records_in_order", "batch", "shard", "row", "sku", "view"),
    # Counts by state, and the review queue: parked items, worst confidence first.
    sa.Index("records_by_state", "batch", "state", "confidence"),
)

problems = sa.Table(
    "problems",
    metadata,
    sa.Column("batch", _text, sa.ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("row", sa.Integer, primary_key=True),
    sa.Column("message", _text, primary_key=True),
)
