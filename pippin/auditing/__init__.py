"""The audit of a source before training: the status of each file, duplicates, outliers, and an HTML report."""

from pippin.auditing.inspection import Inspection, audit
from pippin.auditing.outliers import outlier_scores
from pippin.auditing.page import write_page

__all__ = ["Inspection", "audit", "outlier_scores", "write_page"]
