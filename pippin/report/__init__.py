"""A run as one page, and as TensorBoard shows it."""

from pippin.report.events import EventLog
from pippin.report.page import write_page

__all__ = ["EventLog", "write_page"]
