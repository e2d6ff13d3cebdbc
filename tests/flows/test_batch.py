"""The batch as a Prefect flow, against Prefect's real API in a temporary database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.flows.conftest import MakeRecipe


@pytest.fixture(scope="module", autouse=True)
def prefect_api() -> Iterator[None]:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    # Without a heartbeat a flow run ends a second sooner: it joins the heartbeat's thread.
    no_heartbeat = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with prefect_test_harness(server_startup_timeout=240), no_heartbeat:
        yield


def artifacts() -> dict[str, tuple[str, object]]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = client.read_artifacts()
    return {str(artifact.key): (str(artifact.type), artifact.data) for artifact in found}


@pytest.mark.slow
def test_a_batch_shows_in_prefect(recipe_file: Path, photos: Path) -> None:
    from prefect.client.orchestration import get_client

    from flows.batch import catalog_batch
    from flows.monitor import SHEET_BYTES

    (photos / "broken.jpg").write_bytes(b"no picture")
    state = catalog_batch(str(recipe_file), ["batch.chunk_size=2"], return_state=True)
    assert state.is_completed()
    assert state.name == "CompletedWithFailures"
    assert state.message == "in 4 = finished 3 + parked 0 + failed 1"
    batch = state.result().batch
    with get_client(sync_client=True) as client:
        names = {run.name for run in client.read_flow_runs()}
    assert {batch, f"{batch} shard 0"} <= names
    shown = artifacts()
    assert shown[f"progress-{batch}-shard-0"] == ("progress", 100.0)
    kind, table = shown["items-tiny"]
    assert kind == "table"
    assert "broken" in str(table).split("shoe0")[0], "failed items come first"
    assert shown["batch-tiny"][0] == "markdown"
    sheet = str(shown["contact-sheet-tiny"][1])
    assert sheet.startswith("data:image/jpeg;base64,")
    assert len(sheet) < SHEET_BYTES


@pytest.mark.slow
def test_failed_items_fail_the_batch_above_the_recipe_s_share(recipe_file: Path, photos: Path) -> None:
    from flows.batch import catalog_batch

    (photos / "broken.jpg").write_bytes(b"no picture")
    state = catalog_batch(str(recipe_file), ["batch.max_failed=0.1"], return_state=True)
    assert state.is_failed()
    assert "max_failed" in str(state.message)


@pytest.mark.slow
def test_a_chunk_that_dies_fails_the_batch_and_the_next_run_goes_on(
    recipe_file: Path, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import batch as batch_module
    from flows.planning import plan_batch

    plan = plan_batch(make_recipe())
    assert plan is not None

    class DeadCrew:
        width = 1

        def run(self, *_: object) -> None:
            raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(batch_module, "crew", DeadCrew)
        patch.setattr(batch_module, "chunk_task", batch_module.chunk_task.with_options(retries=0))
        state = batch_module.catalog_batch(str(recipe_file), [], asdict(plan.address), return_state=True)
    assert state.is_failed()
    assert "chunks died" in str(state.message)
    assert "left 3" in str(state.message)
    again = batch_module.catalog_batch(str(recipe_file), [], return_state=True)
    assert again.is_completed()
    assert again.result().batch == plan.address.batch


@pytest.mark.slow
def test_nothing_new_is_a_completed_run(recipe_file: Path) -> None:
    from flows.batch import catalog_batch

    assert catalog_batch(str(recipe_file), ["batch.only_new=true"], return_state=True).is_completed()
    state = catalog_batch(str(recipe_file), ["batch.only_new=true"], return_state=True)
    assert state.is_completed()
    assert "nothing new" in str(state.message)
