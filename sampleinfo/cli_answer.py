"""The answer to a question about a run, for commands: from the run, or computed now under a bar."""

from __future__ import annotations

from rich.console import Console

from sampleinfo import analysing
from sampleinfo.console import tracked
from sampleinfo.progress import Tracker
from sampleinfo.reports.analysis import Tables, answer
from sampleinfo.stages import STAGE_WORDS
from sampleinfo.store import Run


def answered(run: Run, question: str) -> Tables:
    """The tables; says how far it is where they take long.

    Raises:
        SampleInfoError: no such question, or one that this run does not allow.
    """
    analysis = analysing.find(question)
    known = answer(run, analysis)
    if known is not None:
        return known
    seconds = analysis.seconds(run)
    console, tracker = Console(stderr=True, soft_wrap=True), Tracker({question: seconds}, seconds)
    words = STAGE_WORDS[question]
    console.print(f"{run.title}: {words[0].lower()}{words[1:]}, about {seconds:.0f} s at first sight.", highlight=False)
    with tracked(tracker, console) as report:
        return analysing.analyse(run, question, report)
