"""An evaluation as one page of HTML that needs nothing else."""

from penchant_relevance.report.page import page, write

__all__ = ["page", "write"]
