"""The stream of events: what the page must know as soon as it happens, as server-sent events.

Each stream looks once a second whether a file changed, which costs a few calls of `stat`. A page that shows a run gets
the events of this run, and the summaries of all others.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from pippin.studio.answers import RequestError, finite
from pippin.studio.gather import set_facts
from pippin.studio.state import Studio

STEP_SECONDS = 0.2
"""Time between two looks at the jobs, in seconds."""

RUN_SECONDS = 1.0
"""Time between two looks at the files of runs, in seconds."""

COMMENT_SECONDS = 15.0
"""Time after which a line without content shows that the connection is alive, in seconds."""


def event_routes() -> list[BaseRoute]:
    """Return the route of the events."""
    return [Route("/api/events", _events)]


async def _events(request: Request) -> Response:
    studio: Studio = request.app.state.studio
    run_id = request.query_params.get("run")
    stream = Stream(studio, run_id)
    return StreamingResponse(stream.texts(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


class Stream:
    """The events for one page.

    Args:
        studio: the studio.
        run_id: the run that the page shows, or None.
    """

    def __init__(self, studio: Studio, run_id: str | None) -> None:
        self._studio, self._run_id = studio, run_id
        self._sent: dict[str, Any] = {}
        self._jobs_version = 0
        self._looked = self._spoke = 0.0

    async def texts(self) -> AsyncIterator[str]:
        """Yield the text of the events until the studio ends."""
        yield "retry: 1000\n\n"
        while not self._studio.ended.is_set():
            for text in await run_in_threadpool(self._news):
                self._spoke = time.monotonic()
                yield text
            if time.monotonic() - self._spoke > COMMENT_SECONDS:
                self._spoke = time.monotonic()
                yield ": alive\n\n"
            await asyncio.sleep(STEP_SECONDS)

    def _news(self) -> list[str]:
        """Return the events since the last call."""
        news = []
        for job in self._studio.jobs.changed_since(self._jobs_version):
            self._jobs_version = max(self._jobs_version, job.version)
            news.append(_text("job", job.to_dict()))
        if time.monotonic() - self._looked < RUN_SECONDS:
            return news
        self._looked = time.monotonic()
        changes = self._studio.sets.changes()
        if self._sent.get("sets version") != changes:
            self._sent["sets version"] = changes
            news.append(_text("sets", {"sets": [set_facts(self._studio, one) for one in self._studio.sets.all()]}))
        news += self._changed("runs", {"runs": self._studio.runs.summaries()})
        if self._run_id is not None:
            try:
                news += self._changed("run", self._studio.runs.details(self._run_id))
            except RequestError:
                self._run_id = None
        return news

    def _changed(self, name: str, value: Any) -> list[str]:
        """Return the event with a value, if it is another than the last one of this name."""
        text = _text(name, value)
        if self._sent.get(name) == text:
            return []
        self._sent[name] = text
        return [text]


def _text(name: str, value: Any) -> str:
    """Return the text of an event. JSON has no line breaks in it."""
    return f"event: {name}\ndata: {json.dumps(finite(value), separators=(',', ':'))}\n\n"
