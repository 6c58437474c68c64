"""``edgewise view``: a run in the browser, while it goes on and after. Read-only, and only for this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.core.errors import EdgewiseError, MissingExtra
from edgewise.core.run import Run
from edgewise.report.html import asset, render_run
from edgewise.report.text import visible

if TYPE_CHECKING:
    from fastapi import FastAPI

_EVERY = 1.0  # seconds between looks at the run


def make_app(path: Path) -> FastAPI:
    """The web application for one run.

    Raises:
        MissingExtra: FastAPI is not installed.
    """
    try:
        from fastapi import FastAPI
        from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse
        from starlette.middleware.trustedhost import TrustedHostMiddleware
    except ImportError:
        raise MissingExtra("the web view", "view") from None

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # A page elsewhere may point its own name at this machine; requests for such names are not ours.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    @app.get("/", response_class=HTMLResponse)
    def page() -> Any:
        run = Run.open(path)
        if run.status() == "running" and run.is_locked():
            return HTMLResponse(asset("waiting.html"))
        try:
            return HTMLResponse(render_run(run))
        except EdgewiseError as error:
            return PlainTextResponse(visible(str(error)), status_code=409)

    @app.get("/progress")
    async def progress() -> Any:
        return StreamingResponse(_stream(path), media_type="text/event-stream")

    return app


async def _stream(path: Path) -> AsyncIterator[str]:
    """Server-sent events: how far each instrument is, then that the run ended."""
    shown = ""
    while True:
        run = Run.open(path)
        bars = {e.data["instrument"]: e.data for e in run.read_events("progress")}
        data = json.dumps(bars)
        if data != shown:
            shown = data
            yield f"event: progress\ndata: {data}\n\n"
        if run.status() != "running" or not run.is_locked():
            yield "event: done\ndata: {}\n\n"
            return
        await asyncio.sleep(_EVERY)


def serve(path: Path, *, port: int = 0) -> None:
    """Serve a run on this machine until interrupted.

    Args:
        path: The run's folder.
        port: 0 takes any free port.
    """
    import socket
    import sys

    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("the web view", "view") from None
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        port = listener.getsockname()[1]
        app = make_app(path)
        sys.stderr.write(f"http://127.0.0.1:{port}/  (Ctrl-C ends it)\n")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
