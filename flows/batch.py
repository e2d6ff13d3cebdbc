"""The batch as Prefect sees it: a flow for the batch, a subflow for each shard, a task for each chunk.

Prefect orders, schedules and shows. What is known of items is in the ledger; tasks carry ids, never arrays.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State as PrefectState
from prefect.futures import PrefectFuture, as_completed
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows import monitor
from flows.chunks import open_shards, shard_chunks
from flows.crew import ItemId, crew
from flows.finishing import Summary, finish_batch
from flows.logs import batch_log
from flows.outcome import ChunkOutcome, add_up
from flows.planning import plan_batch, sole_run
from flows.workplace import BatchAddress
from pipeline.files.recipe import load_recipe

BatchName = Mapping[str, str]
"""A `BatchAddress` as a Prefect parameter: ``{"runs": …, "ledger": …, "batch": …}``."""


@task(
    name="chunk",
    task_run_name="{batch[batch]} shard {shard} chunk {number}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=[2, 10],
    retry_jitter_factor=0.5,
)
def chunk_task(batch: BatchName, shard: int, number: int, ids: Sequence[ItemId]) -> ChunkOutcome:
    """Work on some dozens of items. An item's errors end in the ledger; only a lost ledger, store or crew raises."""
    return crew().run(BatchAddress(**batch), [(sku, view) for sku, view in ids])


@flow(name="shard", flow_run_name="{batch[batch]} shard {shard}", persist_result=False, validate_parameters=False)
def shard_flow(batch: BatchName, shard: int) -> PrefectState[ChunkOutcome]:
    """Work on a few thousand items: submit their chunks, and show how far they are."""
    chunks = shard_chunks(BatchAddress(**batch), shard, crew().width)
    items = sum(len(ids) for ids in chunks)
    futures = [chunk_task.submit(batch, shard, number, ids) for number, ids in enumerate(chunks)]
    outcomes: list[ChunkOutcome] = []
    lost = 0
    with monitor.progress_artifact(f"{batch['batch']}-shard-{shard}", items) as shown:
        future: PrefectFuture[ChunkOutcome]
        for future in as_completed(futures):
            future.wait()  # until then its state may still say pending
            if future.state.is_completed():
                outcomes.append(future.result())
                shown.add(outcomes[-1].items)
            else:
                lost += 1
    did = add_up(outcomes)
    if lost:
        return Failed(message=f"{lost} of {len(chunks)} chunks died; run the recipe again to go on", data=did)
    return Completed(message=f"{did.items} items", data=did)


def _batch_run_name() -> str:
    given = flow_run.parameters
    batch = given.get("batch")
    return str(batch["batch"]) if batch else f"{given.get('config', 'batch')}".rsplit("/", 1)[-1].removesuffix(".yaml")


@flow(name="catalog-batch", flow_run_name=_batch_run_name, persist_result=False)
def catalog_batch(
    config: str, overrides: list[str] | None = None, batch: dict[str, str] | None = None
) -> PrefectState[Any]:
    """Run a recipe over its catalog.

    Args:
        config: the recipe's file.
        overrides: fields to set, such as ``export.quality=95``.
        batch: a batch that was planned already (by `seamline run`); otherwise it is planned here.
    """
    if batch is not None:
        return _state_of(_run_shards(BatchAddress(**batch)))
    recipe = load_recipe(config, overrides or [])
    with sole_run(recipe):
        plan = plan_batch(recipe)
        if plan is None:
            return Completed(message="nothing new since the last batch", data=None)
        get_run_logger().info("%s, %d items to do", plan.found, plan.todo)
        _rename(plan.address.batch)
        return _state_of(_run_shards(plan.address))


def _run_shards(address: BatchAddress) -> tuple[Summary, list[str]]:
    began = time.monotonic()
    name = {"runs": address.runs, "ledger": address.ledger, "batch": address.batch}
    runner: Any = ThreadPoolTaskRunner(max_workers=crew().width)  # threads that wait for the crew's processes
    outcomes: list[ChunkOutcome] = []
    died: list[str] = []
    with batch_log(address):
        for shard in open_shards(address):
            state = shard_flow.with_options(task_runner=runner)(name, shard, return_state=True)
            if state.is_completed():
                outcomes.append(cast(ChunkOutcome, state.result()))
            else:
                died.append(f"shard {shard}: {state.message}")
        summary = finish_batch(address, add_up(outcomes), time.monotonic() - began)
    monitor.publish(summary, address)
    return summary, died


def _state_of(ran: tuple[Summary, list[str]]) -> PrefectState[Any]:
    """Failed only if chunks died or more items failed than the recipe allows; single failures are told by name."""
    summary, died = ran
    message = "; ".join([summary.tally.line, *died])
    if died or summary.tally.left:
        return Failed(message=message, data=summary)
    if summary.too_many_failed:
        return Failed(message=f"{message}; more failed than batch.max_failed allows", data=summary)
    return Completed(message=message, data=summary, name="CompletedWithFailures" if summary.tally.failed else None)


def _rename(batch: str) -> None:
    """Give a scheduled run, which was named before its batch was known, the batch's id."""
    if flow_run.id:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, name=batch)
