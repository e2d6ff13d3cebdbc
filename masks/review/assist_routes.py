"""Addresses of what helps the reviewer's hand; see `masks.review.assist`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from masks.review.assist import FORMATS, MOST_BOXES, MOST_CLICKS, Assist, Click
from masks.review.desk import Missing, Sheet

OpenSheet = Callable[[str, str], Sheet]
_ITEM = "/batches/{batch}/items/{item}"
_TRIALS_KEPT = 8


class Choice(BaseModel):
    """Numbers of the boxes that are switched on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    boxes: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MOST_BOXES)]


class Clicks(BaseModel):
    """Clicks as x, y and whether they add; the last one is the new one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clicks: Annotated[list[tuple[float, float, bool]], Field(max_length=MOST_CLICKS)]


def add_assist(app: FastAPI, assist: Assist, open_sheet: OpenSheet) -> None:
    """Add the addresses to the page's application."""
    _add_masks(app, assist, open_sheet)
    _add_files(app, assist, open_sheet)
    _add_trials(app, assist, open_sheet)


def _add_masks(app: FastAPI, assist: Assist, open_sheet: OpenSheet) -> None:
    @app.get(f"{_ITEM}/detections")
    def detections(batch: str, item: str) -> JSONResponse:
        return JSONResponse(assist.detections(open_sheet(batch, item)))

    @app.post(f"{_ITEM}/proposal")
    async def proposal(request: Request, batch: str, item: str) -> Response:
        said = Choice.model_validate(await _json(request))
        return _png(await run_in_threadpool(lambda: assist.proposal(open_sheet(batch, item), said.boxes)))

    @app.post(f"{_ITEM}/click")
    async def click(request: Request, batch: str, item: str) -> Response:
        said = Clicks.model_validate(await _json(request))
        clicks = [Click(x=x, y=y, adds=adds) for x, y, adds in said.clicks]
        return _png(await run_in_threadpool(lambda: assist.click(open_sheet(batch, item), clicks)))

    @app.post(f"{_ITEM}/refine")
    async def refine(request: Request, batch: str, item: str) -> Response:
        data = await request.body()
        return _png(await run_in_threadpool(lambda: assist.refine(open_sheet(batch, item), data)))


def _add_files(app: FastAPI, assist: Assist, open_sheet: OpenSheet) -> None:
    @app.get(f"{_ITEM}/export/{{file_format}}")
    def export(batch: str, item: str, file_format: str, revision: int | None = None) -> Response:
        sheet = open_sheet(batch, item)
        data = assist.export(sheet, revision, file_format)
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{sheet.record.sku}.{sheet.record.view}").strip("-.") or "mask"
        kind = "json" if file_format == "coco" else "png"
        name = f"{plain}-cutout.png" if file_format == "rgba" else f"{plain}.{kind}"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(data, media_type=FORMATS[file_format], headers=headers)

    @app.post(f"{_ITEM}/import")
    async def read_import(request: Request, batch: str, item: str) -> Response:
        data = await request.body()
        return _png(await run_in_threadpool(lambda: assist.read_import(open_sheet(batch, item), data)))


def _add_trials(app: FastAPI, assist: Assist, open_sheet: OpenSheet) -> None:
    kept: dict[str, bytes] = {}

    @app.post(f"{_ITEM}/trial/{{which}}")
    async def trial(batch: str, item: str, which: str) -> JSONResponse:
        if which not in ("found", "own"):
            raise Missing("there is no such trial")
        outcome = await run_in_threadpool(lambda: assist.trial(open_sheet(batch, item), own=which == "own"))
        name = f"{batch} {item} {which}"
        kept.pop(name, None)
        if outcome.picture is not None:
            kept[name] = outcome.picture
        while len(kept) > _TRIALS_KEPT:
            kept.pop(next(iter(kept)))
        return JSONResponse({"picture": outcome.picture is not None, "notes": list(outcome.notes)})

    @app.get(f"{_ITEM}/trial/{{which}}")
    def picture(batch: str, item: str, which: str) -> Response:
        data = kept.get(f"{batch} {item} {which}")
        if data is None:
            raise Missing("this result is no longer kept; try it again")
        return Response(data, media_type="image/jpeg")


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png")


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        return None  # no model takes it, so it is refused in the same words
