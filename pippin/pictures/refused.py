"""The exception for a file that cannot be used."""


class Refused(Exception):  # noqa: N818 - a result, not an error: it concerns one file and never ends a run
    """A picture cannot be used. The message is the reason, in plain words."""
