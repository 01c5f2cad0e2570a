"""A run as one page, and as TensorBoard shows it."""

from pippin.runs.report.events import EventLog
from pippin.runs.report.page import write_page

__all__ = ["EventLog", "write_page"]
