"""Many processes at one ledger, and processes that are killed."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from pipeline.errors import StoreError
from pipeline.files import ledger_engine
from pipeline.files.ledger import Ledger, ledger_url
from pipeline.types import Item, ItemState
from tests.servers import postgres_server

RECIPE = {"recipe_name": "p", "recipe_digest": "d", "recipe_text": "", "catalog": "c", "version": "1"}
WRITERS, ITEMS = 4, 40


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield ledger_url(str(tmp_path))
        return
    with postgres_server() as address:
        yield address


def some_items(number):
    return [(Item(sku=f"s{n}", view="v", address="", row=n), 0) for n in range(number)]


def write_own_scores(ledger, batch, writer):
    # The same records from all sides: a lost update would lose a writer's score.
    for n in range(ITEMS):
        ledger.update(batch, f"s{n}", "v", scores={f"w{writer}": n}, state=ItemState.MASKED)
    os._exit(0)  # the exit hooks of this fork are its parent's: Prefect's, for one, wait for threads that it has not


def test_processes_at_one_ledger_lose_nothing(url):
    with Ledger.open(url) as ledger:
        batch = ledger.begin_batch(**RECIPE).id
        ledger.add_items(batch, some_items(ITEMS))
        context = multiprocessing.get_context("fork")  # the engine is inherited, its connections must not be
        writers = [context.Process(target=write_own_scores, args=(ledger, batch, n)) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(120)
        assert [writer.exitcode for writer in writers] == [0] * WRITERS
        wanted = [{f"w{writer}": n for writer in range(WRITERS)} for n in range(ITEMS)]
        assert [record.scores for record in ledger.records(batch)] == wanted


OPEN = "import sys; from pipeline.files.ledger import Ledger; Ledger.open(sys.argv[1])"


def test_a_new_ledger_may_be_opened_by_several_at_once(url):
    openers = [subprocess.Popen([sys.executable, "-c", OPEN, url]) for _ in range(3)]
    assert [opener.wait(60) for opener in openers] == [0, 0, 0]


WORK = """
import sys
from pipeline.files.ledger import Ledger
ledger, n = Ledger.open(sys.argv[1]), 0
while True:
    ledger.update_many(sys.argv[2], [(f"s{i}", "v", {"attempts": n}) for i in range(5)])
    print(n, flush=True)
    n += 1
"""


def test_a_killed_process_loses_no_committed_row_and_leaves_no_half_chunk(tmp_path):
    url = ledger_url(str(tmp_path))
    with Ledger.open(url) as ledger:
        batch = ledger.begin_batch(**RECIPE).id
        ledger.add_items(batch, some_items(5))
    for wait_s in (0.05, 0.12, 0.31):
        worker = subprocess.Popen([sys.executable, "-c", WORK, url, batch], stdout=subprocess.PIPE, text=True)
        said = worker.stdout.readline()
        time.sleep(wait_s)
        os.kill(worker.pid, signal.SIGKILL)
        said += worker.communicate()[0]
        committed = int(said.split()[-1])
        with Ledger.open(url) as ledger:
            attempts = {record.attempts for record in ledger.records(batch)}
            assert len(attempts) == 1
            assert attempts.pop() in (committed, committed + 1)  # it may be killed between commit and print
            ledger.update(batch, "s0", "v", attempts=0)
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def locked_by_another(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


@pytest.fixture
def impatient(monkeypatch, tmp_path):
    monkeypatch.setattr(ledger_engine, "BUSY_TIMEOUT_S", 0.02)
    with Ledger.open(ledger_url(str(tmp_path))) as ledger:
        yield ledger


def test_a_locked_ledger_is_tried_again(impatient, monkeypatch):
    other = locked_by_another(impatient.url.removeprefix("sqlite:///"))
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            other.rollback()

    monkeypatch.setattr(ledger_engine.time, "sleep", sleep)
    impatient.begin_batch(**RECIPE)
    other.close()
    assert len(waits) == 3


def test_a_ledger_that_stays_locked_says_so(impatient, monkeypatch):
    monkeypatch.setattr(ledger_engine.time, "sleep", lambda seconds: None)
    other = locked_by_another(impatient.url.removeprefix("sqlite:///"))
    with pytest.raises(StoreError, match="another program keeps it locked"):
        impatient.begin_batch(**RECIPE)
    other.close()
