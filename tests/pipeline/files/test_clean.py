import os
import time
from pathlib import Path

import pytest

from pipeline.errors import SeamlineError
from pipeline.files.address import TEMPORARY_PREFIX
from pipeline.files.clean import DEAD_AFTER_S, clean, parse_size
from pipeline.files.ledger import BatchStatus, Ledger, ledger_url
from pipeline.files.store import Store, stage_key
from pipeline.types import Item, ItemState
from tests.servers import s3_server

RECIPE = {"recipe_name": "p", "recipe_digest": "d", "recipe_text": "", "catalog": "c", "version": "1"}
KEYS = [stage_key("s", n, {}) for n in range(6)]


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("12", 12), ("20GB", 20 * 10**9), ("1.5GiB", 3 * 2**29), ("500m", 500 * 10**6), (" 2 TB ", 2 * 10**12)],
)
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1PB", "1iB", "1 2", "nan"])
def test_other_words_are_no_sizes(text):
    with pytest.raises(SeamlineError, match="write for example"):
        parse_size(text)


@pytest.fixture
def store(tmp_path):
    """Six results of about 1000 bytes, the first used least recently."""
    filled = Store(tmp_path / "store")
    for number, key in enumerate(KEYS):
        filled.put(key, {"mask.png": b"m" * 1000})
        os.utime(manifest(filled, key), (1e9 + 100 * number,) * 2)
    return filled


def manifest(store, key):
    return Path(store.address, key[:2], key, "manifest.json")


def kept(store):
    return [key for key in KEYS if manifest(store, key).exists()]


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(ledger_url(str(tmp_path))) as opened:
        yield opened


def record_keys(ledger, states):
    batch = ledger.begin_batch(**RECIPE).id
    for key, state in states.items():
        ledger.add_items(batch, [(Item(sku=key, view="v", address="", row=1), 0)])
        ledger.update(batch, key, "v", state=state, keys={"masks": key})
    return batch


def test_the_least_recently_used_go_first(store):
    report = clean(store, None, max_bytes=4000)
    assert kept(store) == KEYS[3:]
    assert (report.results_before, report.results_removed) == (6, 3)
    assert report.bytes_after <= 4000 < report.bytes_after + 1500
    assert clean(store, None, max_bytes=4000).results_removed == 0


def test_use_saves_a_result(store):
    assert store.get(KEYS[0]) is not None
    clean(store, None, max_bytes=1500)
    assert kept(store) == [KEYS[0]]


def test_only_as_many_as_needed_go_of_those_used_in_one_second(store):
    for key in KEYS:
        os.utime(manifest(store, key), (1e9, 1e9))
    assert clean(store, None, max_bytes=4000).results_removed == 3


def test_a_dry_run_only_tells(store):
    told = clean(store, None, max_bytes=0, dry_run=True)
    assert kept(store) == KEYS
    done = clean(store, None, max_bytes=0)
    assert kept(store) == []
    assert (
        (told.results_removed, told.bytes_removed)
        == (done.results_removed, done.bytes_removed)
        == (6, told.bytes_before)
    )
    assert [path for path in os.walk(store.address) if path[2]] == []


def test_a_budget_that_is_kept_removes_nothing(store):
    assert clean(store, None, max_bytes=10**9).results_removed == 0


def test_results_of_running_batches_and_parked_items_stay(store, ledger):
    finished = record_keys(ledger, {KEYS[0]: ItemState.PARKED, KEYS[1]: ItemState.ACCEPTED, KEYS[2]: ItemState.FAILED})
    ledger.finish_batch(finished)
    record_keys(ledger, {KEYS[3]: ItemState.ACCEPTED, KEYS[4]: ItemState.PENDING})
    report = clean(store, ledger, max_bytes=0)
    assert kept(store) == [KEYS[0], KEYS[3], KEYS[4]]
    assert report.bytes_protected == report.bytes_after > 3000


def test_approved_items_of_an_ended_batch_stay(store, ledger):
    batch = record_keys(ledger, {KEYS[0]: ItemState.PARKED})
    ledger.finish_batch(batch)
    ledger.update(batch, KEYS[0], "v", state=ItemState.APPROVED)
    clean(store, ledger, max_bytes=0)
    assert kept(store) == [KEYS[0]]


def test_abandoned_batches_protect_only_what_waits_for_a_person(store, ledger):
    batch = record_keys(ledger, {KEYS[0]: ItemState.ACCEPTED, KEYS[1]: ItemState.PARKED})
    ledger.finish_batch(batch, BatchStatus.ABANDONED)
    clean(store, ledger, max_bytes=0)
    assert kept(store) == [KEYS[1]]


def test_what_a_running_batch_has_just_written_stays(store, ledger):
    batch = record_keys(ledger, {})
    os.utime(manifest(store, KEYS[5]))
    clean(store, ledger, max_bytes=0)
    assert kept(store) == [KEYS[5]]
    ledger.finish_batch(batch)
    clean(store, ledger, max_bytes=0)
    assert kept(store) == []


def test_leftovers_of_dead_writes_are_removed_and_young_ones_stay(store):
    folder = manifest(store, KEYS[0]).parent
    orphan = Path(store.address, "ab", "ab" * 32)
    orphan.mkdir(parents=True)
    dead, young = time.time() - DEAD_AFTER_S - 60, time.time()
    for path, used_s in [
        (folder / f"{TEMPORARY_PREFIX}1", dead),
        (folder / f"{TEMPORARY_PREFIX}2", young),
        (orphan / "0123-mask.png", dead),
        (orphan / "0124-mask.png", young),
    ]:
        path.write_bytes(b"12345")
        os.utime(path, (used_s, used_s))
    assert clean(store, None, max_bytes=10**9, dry_run=True).leftovers_removed == 2
    report = clean(store, None, max_bytes=10**9)
    assert (report.leftovers_removed, report.leftover_bytes, report.results_removed) == (2, 10, 0)
    assert [path.name for path in orphan.iterdir()] == ["0124-mask.png"]
    assert (folder / f"{TEMPORARY_PREFIX}2").exists()
    assert not (folder / f"{TEMPORARY_PREFIX}1").exists()
    assert kept(store) == KEYS


def test_an_object_store_is_cleaned_too():
    with s3_server() as s3:
        store = Store(f"{s3.address}/store", s3.storage_options)
        for key in KEYS[:3]:
            store.put(key, {"mask.png": b"m" * 1000})
        report = clean(store, None, max_bytes=2800)
        assert report.results_removed == 1
        assert sum(store.has(key) for key in KEYS[:3]) == 2
