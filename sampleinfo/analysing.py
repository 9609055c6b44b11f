"""The questions that can be asked of a run, and their answers: from the run where they are kept, else computed."""

from __future__ import annotations

from sampleinfo.errors import lookup
from sampleinfo.reports import classes, review, sources
from sampleinfo.reports.analysis import Analysis, Tables, answer, keep
from sampleinfo.store import Run
from sampleinfo.types import Reporter, silent

ANALYSES = {each.name: each for each in (sources.ANALYSIS, classes.ANALYSIS, review.ANALYSIS)}


def find(name: str) -> Analysis:
    """The question called ``name``.

    Raises:
        UnknownName: with the known names.
    """
    return lookup("question", name, ANALYSES)


def analyse(run: Run, name: str, report: Reporter = silent) -> Tables:
    """The answer, computed once and kept with the run.

    Raises:
        SampleInfoError: no such question, or one that this run does not allow.
    """
    analysis = find(name)
    known = answer(run, analysis)
    if known is not None:
        return known
    analysis.seconds(run)
    tables = analysis.compute(run, report)
    keep(run, analysis, tables)
    report(name, 1, 1)
    return tables
