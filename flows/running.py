"""One run of a recipe from the command line: through Prefect where a server answers, directly where none does.

Prefect's own temporary server would cost ten to twenty seconds a run and shows nothing afterwards, so without a server
the same chunks run without Prefect.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict

from flows.chunks import run_directly
from flows.crew import crew
from flows.finishing import Summary, finish_batch
from flows.logs import batch_log
from flows.outcome import ChunkOutcome
from flows.planning import Plan, plan_batch, sole_run
from flows.server import find_server, use_server
from flows.workplace import locate_runs, prefect_home
from pipeline.errors import SeamlineError
from pipeline.files.recipe import Recipe

log = logging.getLogger(__name__)

Watch = Callable[[Plan], AbstractContextManager[None]]
"""Shows progress for as long as the block lasts."""
Say = Callable[[str], None]


def run_recipe(
    recipe: Recipe,
    config: str,
    overrides: Sequence[str],
    *,
    watch: Watch,
    say: Say,
    prefect: bool = True,
    retry_failed: bool = False,
) -> Summary | None:
    """Run a recipe to its end and return what it came to; None if nothing is new (`batch.only_new`).

    Args:
        recipe: the recipe, read.
        config: its file, shown in Prefect.
        overrides: what was set beside the file, shown in Prefect.
        watch: shows progress.
        say: prints a line.
        prefect: report to a Prefect server, if one answers.
        retry_failed: try items again that have failed for their own fault.

    Raises SeamlineError.
    """
    began = time.monotonic()
    with sole_run(recipe):
        plan = plan_batch(recipe, retry_failed=retry_failed)
        if plan is None:
            return None
        if not plan.todo:
            return finish_batch(plan.address, ChunkOutcome(), time.monotonic() - began)
        say(f"{plan.found}: {plan.todo} items to do")
        home = prefect_home(locate_runs(recipe)[0])
        url = find_server(home) if prefect else None
        with watch(plan):
            if url is not None:
                use_server(url, home)
                say(f"Prefect shows it: {url.removesuffix('/api')}")
                return _run_with_prefect(plan, config, overrides)
            with batch_log(plan.address):
                did = run_directly(plan.address, crew())
        return finish_batch(plan.address, did, time.monotonic() - began)


def _run_with_prefect(plan: Plan, config: str, overrides: Sequence[str]) -> Summary:
    from flows.batch import catalog_batch

    state = catalog_batch(config, list(overrides), asdict(plan.address), return_state=True)
    # A batch above max_failed is a failed run that still has its summary.
    result = state.result(raise_on_failure=False)
    if isinstance(result, Summary):
        return result
    raise SeamlineError(f"the batch stopped: {state.message or result}; run the recipe again to go on")
