"""The touch-up page as a web application: addresses to `Desk` and back. Server-rendered pages, small ES modules."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import FastAPI, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from masks.review import pages
from masks.review.assist import Assist, Rerun
from masks.review.assist_routes import add_assist
from masks.review.desk import PREVIEWS, Desk, Missing, Sheet
from masks.review.guard import Guard, TooLarge
from masks.review.ids import from_id, to_id
from masks.shelf import Conflict, Shelf
from pipeline.errors import SeamlineError
from pipeline.files.ledger import Ledger, Record, Verdict
from pipeline.files.store import Store

MAX_BYTES = 64_000_000
"""The largest mask that is taken: a 100-megapixel one of noise would be larger, no painted one is."""


class Word(BaseModel):
    """A verdict as the page sends it. ``base`` is the newest revision that the reviewer has seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verdict: Verdict
    base: Annotated[int, Field(ge=0)]
    by: Annotated[str, Field(max_length=80)] = ""
    why: Annotated[str, Field(max_length=500)] = ""
    finder: str | None = None


class Withdrawal(BaseModel):
    """The wish to take a verdict back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Annotated[str, Field(max_length=80)] = ""


def create_app(
    ledger: Ledger,
    store: Store,
    shelf: Shelf,
    *,
    reviewer: str = "reviewer",
    token: str | None = None,
    max_bytes: int = MAX_BYTES,
    rerun: Rerun | None = None,
) -> FastAPI:
    """The touch-up page over a ledger, its store and its shelf.

    Args:
        ledger: holds batches and verdicts.
        store: holds found masks and previews.
        shelf: takes painted masks.
        reviewer: who is written down where the page is given no other name.
        token: lets whoever knows it in from other machines; without one only this machine is answered.
        max_bytes: largest body of a request.
        rerun: works on one item, to show what it would become.
    """
    desk = Desk(ledger, store, shelf)
    app = FastAPI(title="Seamline review", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, token=token, max_bytes=max_bytes)
    app.mount("/static", StaticFiles(directory=str(files("masks.review").joinpath("static"))), name="static")
    _add_pages(app, desk, can_try=rerun is not None)
    _add_pictures(app, desk)
    _add_writes(app, desk, reviewer)
    add_assist(app, Assist(desk, rerun), lambda batch, item: _sheet(desk, batch, item))
    _add_errors(app)
    return app


def _add_pages(app: FastAPI, desk: Desk, *, can_try: bool) -> None:
    @app.get("/")
    def batches() -> HTMLResponse:
        return HTMLResponse(pages.batches_page(desk))

    @app.get("/batches/{batch}")
    def queue(batch: str, show: str = "waiting") -> HTMLResponse:
        return HTMLResponse(pages.queue_page(desk, desk.batch(_batch_id(batch)), settled=show == "settled"))

    @app.get("/batches/{batch}/items/{item}")
    def editor(batch: str, item: str) -> HTMLResponse:
        return HTMLResponse(pages.editor_page(desk, _sheet(desk, batch, item), can_try=can_try))

    @app.get("/favicon.ico")
    def icon() -> RedirectResponse:
        return RedirectResponse("/static/icon.svg", 301)


def _add_pictures(app: FastAPI, desk: Desk) -> None:
    @app.get("/batches/{batch}/items/{item}/photo")
    def photo(batch: str, item: str) -> Response:
        return _picture(desk.photo(_sheet(desk, batch, item).record).jpeg, "image/jpeg")

    @app.get("/batches/{batch}/items/{item}/preview/{name}")
    def preview(batch: str, item: str, name: str) -> Response:
        if name not in PREVIEWS:
            raise Missing("there is no such preview")
        return _picture(desk.preview(_sheet(desk, batch, item).record, name), "image/jpeg")

    @app.get("/batches/{batch}/items/{item}/mask")
    def mask(batch: str, item: str, revision: int | None = None) -> Response:
        return Response(desk.mask(_sheet(desk, batch, item), revision), media_type="image/png")


def _add_writes(app: FastAPI, desk: Desk, reviewer: str) -> None:
    @app.put("/batches/{batch}/items/{item}/mask")
    async def save(
        request: Request,
        batch: str,
        item: str,
        if_match: Annotated[str, Header()],
        x_reviewer: Annotated[str, Header()] = "",
    ) -> JSONResponse:
        data = await request.body()

        def keep() -> int:
            sheet = _sheet(desk, batch, item)
            return desk.save(sheet, data, base=_number(if_match), by=_name(unquote(x_reviewer), reviewer)).number

        return JSONResponse({"revision": await run_in_threadpool(keep)})

    @app.post("/batches/{batch}/items/{item}/verdict")
    async def judge(request: Request, batch: str, item: str) -> JSONResponse:
        word = Word.model_validate(await _json(request))

        def act() -> dict[str, Any]:
            sheet = _sheet(desk, batch, item)
            following, _, _ = desk.following(sheet.batch.id, sheet.record.sku, sheet.record.view)
            by = _name(word.by, reviewer)
            record = desk.judge(sheet, word.verdict, base=word.base, by=by, why=word.why, finder=word.finder)
            return _outcome(batch, record, following)

        return JSONResponse(await run_in_threadpool(act))

    @app.post("/batches/{batch}/items/{item}/reopen")
    async def reopen(request: Request, batch: str, item: str) -> JSONResponse:
        said = Withdrawal.model_validate(await _json(request))

        def act() -> dict[str, Any]:
            return _outcome(batch, desk.reopen(_sheet(desk, batch, item), by=_name(said.by, reviewer)), None)

        return JSONResponse(await run_in_threadpool(act))


def _add_errors(app: FastAPI) -> None:
    def said(request: Request, status: int, message: str) -> Response:
        wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if wants_page:
            return HTMLResponse(pages.error_page(status, message), status)
        return JSONResponse({"error": message}, status)

    statuses: list[tuple[type[Exception], int]] = [
        (Missing, 404),
        (Conflict, 409),
        (TooLarge, 413),
        (ValidationError, 422),
        (SeamlineError, 422),
    ]
    for kind, status in statuses:

        def handler(request: Request, error: Exception, status: int = status) -> Response:
            words = "this request is not one of this page's" if isinstance(error, ValidationError) else str(error)
            return said(request, status, words)

        app.add_exception_handler(kind, handler)

    def plain(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return said(request, status, "there is no such page" if status == 404 else "this cannot be asked for")

    app.add_exception_handler(HTTPException, plain)


def _sheet(desk: Desk, batch: str, item: str) -> Sheet:
    try:
        sku, view = from_id(item)
    except ValueError as error:
        raise Missing("there is no such item") from error
    return desk.sheet(_batch_id(batch), sku, view)


def _batch_id(segment: str) -> str:
    try:
        (batch,) = from_id(segment)
    except ValueError as error:
        raise Missing("there is no such batch") from error
    return batch


def _outcome(batch: str, record: Record, following: Record | None) -> dict[str, Any]:
    next_url = f"/batches/{batch}/items/{to_id(following.sku, following.view)}" if following else None
    return {"state": record.state.value, "verdict": record.verdict and record.verdict.value, "next": next_url}


def _picture(data: bytes, kind: str) -> Response:
    # The page's address of a picture changes with its bytes.
    return Response(data, media_type=kind, headers={"cache-control": "private, max-age=86400"})


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise SeamlineError("this request is not JSON") from error


def _number(header: str) -> int:
    text = header.strip().strip('"')
    if not text.isdecimal() or len(text) > 9:
        raise SeamlineError("If-Match must name the revision that the mask builds upon")
    return int(text)


def _name(given: str, reviewer: str) -> str:
    return " ".join(given.split())[:80] or reviewer
