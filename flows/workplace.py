"""What a worker needs to work on a batch: its recipe, ledger, store and folder, opened once per process by id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipeline.files.address import is_local, join, local_path
from pipeline.files.ledger import Batch, Ledger, ledger_url
from pipeline.files.recipe import Recipe
from pipeline.files.store import Store, canonical_json


@dataclass(frozen=True, kw_only=True)
class BatchAddress:
    """All that has to travel to reach a batch: the address of ``runs``, the ledger's URL and the batch's id."""

    runs: str
    ledger: str
    batch: str


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """An opened batch. ``folder`` is the address of its pictures, records and contact sheet."""

    address: BatchAddress
    batch: Batch
    recipe: Recipe
    ledger: Ledger
    store: Store
    folder: str

    @property
    def id(self) -> str:
        """The batch's id."""
        return self.batch.id


def open_workplace(address: BatchAddress) -> Workplace:
    """Open a batch by its address. Raises StoreError if the ledger does not know it."""
    ledger, store = open_files(address.runs, address.ledger)
    return _workplace(address, ledger, store)


@lru_cache(maxsize=16)
def open_files(runs: str, ledger: str) -> tuple[Ledger, Store]:
    """The ledger and the store of a ``runs`` address; the same objects each time in one process."""
    return Ledger.open(ledger), Store(join(runs, "store"))


@lru_cache(maxsize=16)
def _workplace(address: BatchAddress, ledger: Ledger, store: Store) -> Workplace:
    batch = ledger.batch(address.batch)
    recipe = Recipe.model_validate_json(batch.recipe_text)
    folder = batch_folder(address.runs, batch.recipe_name, batch.id)
    return Workplace(address=address, batch=batch, recipe=recipe, ledger=ledger, store=store, folder=folder)


def locate_runs(recipe: Recipe) -> tuple[str, str]:
    """The address of ``runs``, absolute if local, and the ledger's URL."""
    runs = recipe.batch.runs
    if is_local(runs):
        runs = str(local_path(runs))
    return runs, ledger_url(runs, recipe.batch.ledger)


def batch_folder(runs: str, recipe_name: str, batch: str) -> str:
    """Where a batch's pictures, records and contact sheet lie."""
    return join(runs, recipe_name, batch)


def prefect_home(runs: str) -> Path:
    """Where Prefect's own files lie: beside the batches if these are local."""
    return (local_path(runs) if is_local(runs) else Path("runs").absolute()) / "prefect"


def work_digest(recipe: Recipe) -> str:
    """SHA-256 of what a recipe does to which catalog. How it is cut into tasks and when it runs does not matter."""
    how = {"chunk_size", "shard_size", "max_failed", "runs", "ledger"}
    what = recipe.model_dump(mode="json", exclude={"schedule": True, "batch": how, "generate": {"batch"}})
    return hashlib.sha256(canonical_json(what, of=f"recipe {recipe.name}").encode()).hexdigest()
