"""Which batch a run works on, and what is left to do in it.

The same recipe over the same catalog is the same batch: one that was killed is taken up, one that has ended is checked
against its photos, and only what has changed is done again. Another recipe or another list of items is a new batch;
what both have in common comes out of the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path

import yaml

from flows.items import is_outdated, item_error_names
from flows.sources import source_digest
from flows.workplace import BatchAddress, Workplace, locate_runs, open_files, open_workplace, work_digest
from pipeline.errors import ItemError, SeamlineError
from pipeline.files.address import is_local, join, local_path, make_folder, write_file
from pipeline.files.casting import cast_models
from pipeline.files.catalog import BadRow, read_catalog
from pipeline.files.ledger import UNFINISHED, Batch, BatchStatus, Ledger, Record
from pipeline.files.recipe import Recipe
from pipeline.files.store import Store, canonical_json
from pipeline.types import Item, ItemState

_BLOCK = 1000
_ENDED = (ItemState.ACCEPTED, ItemState.PARKED, ItemState.FAILED)
_KNOWN = (BatchStatus.RUNNING, BatchStatus.FINISHED, BatchStatus.FAILED)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A batch that is open, and how many of its items are left to do. ``found`` says in words which batch it is."""

    address: BatchAddress
    todo: int
    found: str


@contextmanager
def sole_run(recipe: Recipe) -> Iterator[None]:
    """Keep a second run of the same recipe away for as long as the block lasts. Raises SeamlineError if there is one.

    The lock ends with its process, however that ends. Only for local ``runs``.
    """
    import fcntl

    runs, _ = locate_runs(recipe)
    if not is_local(runs):
        yield
        return
    folder = local_path(runs) / recipe.name
    make_folder(folder)
    with (folder / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SeamlineError(f"recipe {recipe.name} is running already in {runs}: wait for it, or end it") from error
        yield


def plan_batch(recipe: Recipe, *, retry_failed: bool = False) -> Plan | None:
    """Find or begin the batch of ``recipe``; None if ``batch.only_new`` is set and nothing is new or changed.

    Raises CatalogError, StoreError.
    """
    runs, url = locate_runs(recipe)
    ledger, store = open_files(runs, url)
    digest = work_digest(recipe)
    listing, problems = _fingerprint(recipe, runs)
    catalog = f"{recipe.catalog.address}#{listing}"
    batch = _known_batch(ledger, recipe, digest, catalog)
    found = "goes on with" if batch and batch.status is BatchStatus.RUNNING else "checks"
    if batch is None:
        items = _new_items(recipe, runs, digest, ledger, store)
        first = next(items, None)
        if first is None and recipe.batch.only_new:
            return None
        batch = _begin(ledger, recipe, digest, catalog)
        items, found = chain([first] if first else [], items), "begins"
    else:
        items = _new_items(recipe, runs, digest, ledger, store)
    address = BatchAddress(runs=runs, ledger=url, batch=batch.id)
    work = open_workplace(address)
    if batch.status is BatchStatus.RUNNING:
        _fill(work, items, problems)
    todo = _reopen(work, retry_failed=retry_failed)
    return Plan(address=address, todo=todo, found=f"{found} batch {batch.id}")


def _known_batch(ledger: Ledger, recipe: Recipe, digest: str, catalog: str) -> Batch | None:
    """The newest batch of this very recipe, if it is over the same list of items and its work can be shared."""
    batch = ledger.latest(recipe_digest=digest, statuses=_KNOWN)
    if batch is None:
        return None
    same = batch.catalog == catalog
    if batch.status is BatchStatus.RUNNING and not same:
        ledger.finish_batch(batch.id, BatchStatus.ABANDONED)
    # `only_new` makes a batch of each night's novelties; only one that was killed is taken up.
    return batch if same and (batch.status is BatchStatus.RUNNING or not recipe.batch.only_new) else None


def _begin(ledger: Ledger, recipe: Recipe, digest: str, catalog: str) -> Batch:
    text = canonical_json(recipe.model_dump(mode="json"), of=f"recipe {recipe.name}")
    return ledger.begin_batch(
        recipe_name=recipe.name,
        recipe_digest=digest,
        recipe_text=text,
        catalog=catalog,
        version=version("seamline"),
    )


def _fill(work: Workplace, items: Iterable[Item], problems: list[tuple[int, str]]) -> None:
    """Put the catalog into the ledger, again if need be, and the recipe into the batch's folder."""
    shard_size = work.recipe.batch.shard_size
    work.ledger.add_items(work.id, ((item, number // shard_size) for number, item in enumerate(items)))
    work.ledger.add_problems(work.id, problems)
    resolved = yaml.safe_dump(work.recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_file(join(work.folder, "recipe.yaml"), f"# batch {work.id}, every field resolved\n{resolved}".encode())


def _reopen(work: Workplace, *, retry_failed: bool) -> int:
    """Set the ended items that must be done again to pending; how many items are left to do."""
    ended = work.ledger.records(work.id, states=_ENDED)
    again = (
        record for record in ended if (retry_failed and record.state is ItemState.FAILED) or is_outdated(work, record)
    )
    while block := list(islice(again, _BLOCK)):
        fields = {"state": ItemState.PENDING, "attempts": 0, "reason": None, "error": None}
        work.ledger.update_many(work.id, [(record.sku, record.view, fields) for record in block])
    counts = work.ledger.counts(work.id)
    todo = sum(counts[state] for state in UNFINISHED)
    if todo and work.batch.status is not BatchStatus.RUNNING:
        work.ledger.finish_batch(work.id, BatchStatus.RUNNING)
    return todo


def _fingerprint(recipe: Recipe, runs: str) -> tuple[str, list[tuple[int, str]]]:
    """A digest of all that the catalog says, and its rows that are no items as (row, message)."""
    digest = hashlib.sha256()
    problems: list[tuple[int, str]] = []

    def refuse(bad: BadRow) -> None:
        problems.append((bad.row, bad.message))

    for item in read_catalog(recipe.catalog, runs=runs, on_bad_row=refuse):
        digest.update(canonical_json(asdict(item), of=f"row {item.row}").encode())
    digest.update(canonical_json(problems).encode())
    return digest.hexdigest()[:16], problems


def _new_items(recipe: Recipe, runs: str, digest: str, ledger: Ledger, store: Store) -> Iterator[Item]:
    """The catalog's items; with ``batch.only_new`` those that no batch of this recipe has ended with this photo."""
    items = cast_models(read_catalog(recipe.catalog, runs=runs), recipe.garment.mix)
    if not recipe.batch.only_new:
        yield from items
        return
    while block := list(islice(items, _BLOCK)):
        known = _ended_before(ledger, digest, [(item.sku, item.view) for item in block])
        for item in block:
            record = known.get((item.sku, item.view))
            if record is None or _is_new(item, record, store):
                yield item


def _ended_before(ledger: Ledger, digest: str, ids: list[tuple[str, str]]) -> dict[tuple[str, str], Record]:
    newest: dict[tuple[str, str], Record] = {}
    for state in _ENDED:
        for key, record in ledger.all_finished_before(digest, ids, state=state).items():
            if key not in newest or record.updated > newest[key].updated:
                newest[key] = record
    return newest


def _is_new(item: Item, record: Record, store: Store) -> bool:
    if record.state is ItemState.FAILED and record.error not in item_error_names():
        return True
    if (item.address, dict(item.overrides)) != (record.address, dict(record.overrides)):
        return True
    with suppress(ItemError):
        return source_digest(item.address, store)[0] != record.source_digest
    return record.source_digest is not None


def latest_pointer(work: Workplace) -> None:
    """Point ``runs/<recipe>/latest`` at the batch: a link on a local disk, a text file elsewhere."""
    pointer = join(work.address.runs, work.batch.recipe_name, "latest")
    if not is_local(pointer):
        write_file(f"{pointer}.txt", f"{work.id}\n".encode())
        return
    link = Path(local_path(pointer))
    temporary = link.with_name(f".latest-{work.id}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(work.id, target_is_directory=True)
    temporary.replace(link)
