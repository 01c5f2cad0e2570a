"""Routes of jobs."""

from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute

from pippin.studio.answers import not_found
from pippin.studio.jobs import Job
from pippin.studio.routing import route
from pippin.studio.state import Studio


def job_routes() -> list[BaseRoute]:
    """Return the routes of jobs."""
    return [
        route("/api/jobs", lambda studio, request: {"jobs": [job.to_dict() for job in studio.jobs.all()]}),
        route("/api/jobs/{job}", lambda studio, request: _job(studio, request).to_dict()),
        route("/api/jobs/{job}", _cancel, "DELETE"),
    ]


def _job(studio: Studio, request: Request) -> Job:
    """Return the job of a request."""
    job = studio.jobs.get(request.path_params["job"])
    if job is None:
        raise not_found("job")
    return job


def _cancel(studio: Studio, request: Request) -> Any:
    job = _job(studio, request)
    studio.jobs.cancel(job)
    return job.to_dict()
