"""Reports of a run: one HTML page, and an event file for TensorBoard."""

from pippin.runs.report.events import EventLog
from pippin.runs.report.page import write_page

__all__ = ["EventLog", "write_page"]
