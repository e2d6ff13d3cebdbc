"""How a batch is cut: shards of thousands of items, chunks of some dozens; and the loop that runs without Prefect."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from flows.crew import Crew, ItemId
from flows.outcome import ChunkOutcome, add_up
from flows.workplace import BatchAddress, open_workplace
from pipeline.files.ledger import UNFINISHED

ROUNDS = 4
"""Each worker gets at least so many chunks, so that none idles long while another does the last one."""


def open_shards(address: BatchAddress) -> list[int]:
    """Shards of a batch that have something left to do."""
    work = open_workplace(address)
    return work.ledger.shards(work.id, states=UNFINISHED)


def shard_chunks(address: BatchAddress, shard: int, width: int) -> list[list[ItemId]]:
    """What is left to do in a shard, in chunks of the recipe's size; smaller where ``width`` workers would idle."""
    work = open_workplace(address)
    ids = [(record.sku, record.view) for record in work.ledger.records(work.id, states=UNFINISHED, shard=shard)]
    size = max(1, min(work.recipe.batch.chunk_size, len(ids) // (ROUNDS * width)))
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def run_directly(address: BatchAddress, crew: Crew) -> ChunkOutcome:
    """Run all that is left of a batch in this process's crew, without Prefect.

    An interrupt (Ctrl-C) drops what has not begun; the next run goes on there.
    """
    outcomes: list[ChunkOutcome] = []
    threads = ThreadPoolExecutor(crew.width)
    try:
        for shard in open_shards(address):
            futures = [threads.submit(crew.run, address, ids) for ids in shard_chunks(address, shard, crew.width)]
            outcomes += [future.result() for future in futures]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
    return add_up(outcomes)
