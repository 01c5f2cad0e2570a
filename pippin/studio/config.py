"""What a studio is started with."""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pippin.errors import SettingsError

LOCAL_HOST = "127.0.0.1"
"""The address that the studio listens on unless the user names another one. Only this computer can reach it."""

PORT = 8765
"""Default port. If it is taken, the next free one of `PORTS_TRIED` is used."""

PORTS_TRIED = 20
"""Number of ports that are tried from `PORT` on if the user named none."""

MIN_PASSWORD = 8
"""Smallest number of characters of a password."""


@dataclass(frozen=True)
class StudioConfig:
    """The arguments of `pippin studio`, checked.

    Attributes:
        folders: folders with pictures or runs that the user named, resolved.
        runs_root: the folder in which new runs are made, and in which runs are found, as the command line takes it.
        host: the address or name to listen on.
        port: the port, or None for `PORT` or the next free one.
        password: the password, or None.
    """

    folders: tuple[Path, ...] = ()
    runs_root: Path = field(default_factory=lambda: Path("runs"))
    host: str = LOCAL_HOST
    port: int | None = None
    password: str | None = None

    @property
    def is_remote(self) -> bool:
        """Whether other computers can reach the studio."""
        return self.host not in (LOCAL_HOST, "::1", "localhost")


def make_config(
    folders: Sequence[str | os.PathLike[str]] = (),
    host: str = LOCAL_HOST,
    port: int | None = None,
    password: str | None = None,
) -> StudioConfig:
    """Return the checked arguments of a studio.

    Raises:
        SettingsError: a folder does not exist, the port is out of range, or another host is given without a password.
    """
    resolved = []
    for folder in folders:
        path = Path(folder).expanduser()
        if not str(folder).strip() or not path.is_dir():
            raise SettingsError(f"There is no such folder; name folders of pictures or of runs. Received: {folder}")
        resolved.append(path.resolve())
    if port is not None and not 0 <= port <= 65535:
        raise SettingsError(f"port must be from 0 (any free one) to 65535. Received: port={port}")
    if password is not None and len(password) < MIN_PASSWORD:
        raise SettingsError(
            f"The password must have at least {MIN_PASSWORD} characters. Received: {len(password)} characters"
        )
    config = StudioConfig(tuple(resolved), host=host, port=port, password=password)
    if config.is_remote and password is None:
        raise SettingsError(
            "Other computers can reach the studio on this host, so it needs a password; set PIPPIN_STUDIO_PASSWORD or "
            f"--password. Received: --host {host}"
        )
    return config


def is_address(host: str) -> bool:
    """Return whether a text is an IP address and not a name."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
