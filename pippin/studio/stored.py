"""Small JSON files of the studio, in `runs/studio/`."""

import json
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pippin.errors import RunError
from pippin.host.files import run_errors, write_text
from pippin.host.own_files import read_own

FOLDER = "studio"
"""The folder beside the runs that holds what the studio stores: picture sets, uploads, lists and trainings."""

MAX_BYTES = 64 * 2**20
"""Largest size of a file of the studio in bytes. The names of 100,000 pictures that are left out have about 10 MB."""


class Stored(BaseModel):
    """What a file of the studio holds."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


S = TypeVar("S", bound=Stored)


def read_stored(path: Path, kind: type[S]) -> S | None:
    """Return what a file holds; None if there is no file, or a damaged one."""
    with suppress(RunError, ValidationError, ValueError):
        contents = read_own(path, MAX_BYTES)
        return None if contents is None else kind.model_validate_json(contents)
    return None


def write_stored(path: Path, value: Stored) -> None:
    """Write a file, and its folder if it does not exist. Raises a `RunError` if it cannot be written."""
    with run_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(value.model_dump(mode="json"), indent=1))
