"""A look at a source before anything is trained: what became of every file, and which pictures do not belong."""

from pippin.auditing.inspection import Inspection, audit
from pippin.auditing.outliers import unlikeness
from pippin.auditing.page import write_page

__all__ = ["Inspection", "audit", "unlikeness", "write_page"]
