"""Schedules: a recipe registered with Prefect's server, to be run by a worker."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.server import WORK_POOL
from pipeline.errors import RecipeError
from pipeline.files.recipe import load_recipe, resolve_config


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A registered schedule."""

    name: str
    cron: str
    timezone: str
    url: str


def deploy(config: str, overrides: Sequence[str], api_url: str) -> Deployed:
    """Register or replace the schedule of a recipe on the server that Prefect's client points to.

    Relative addresses in the recipe mean what they mean here: the worker runs it in the present folder. A late run
    never overlaps the next one, which is then left out. Raises RecipeError for a recipe without a schedule.
    """
    recipe = load_recipe(config, overrides)
    if recipe.schedule is None:
        raise RecipeError(
            f"{config}: has no schedule; write one, such as\n"
            '  schedule:\n    cron: "0 2 * * *"\n    timezone: Europe/Paris'
        )
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from flows.batch import catalog_batch

    _ensure_pool()
    deployment: Any = catalog_batch.to_deployment(
        name=recipe.name,
        schedule=Cron(recipe.schedule.cron, timezone=recipe.schedule.timezone),
        parameters={"config": str(Path(resolve_config(config)).absolute()), "overrides": list(overrides)},
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW, grace_period_seconds=600
        ),
        work_pool_name=WORK_POOL,
        job_variables={"working_dir": str(Path.cwd()), "env": _kept_environment()},
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["seamline"],
        description=f"Seamline recipe {recipe.name}: {config}",
    )
    identity = deployment.apply()
    return Deployed(
        name=f"{deployment.flow_name}/{recipe.name}",
        cron=recipe.schedule.cron,
        timezone=recipe.schedule.timezone,
        url=f"{api_url.removesuffix('/api')}/deployments/deployment/{identity}",
    )


def _ensure_pool() -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.workers.process import ProcessWorker

    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(WORK_POOL)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process", base_job_template=template))


def _kept_environment() -> dict[str, str]:
    """Seamline's own settings of today; anything else is the worker's."""
    return {name: value for name, value in os.environ.items() if name.startswith("SEAMLINE_")}
