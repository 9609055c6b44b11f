"""Live progress of background jobs."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from sampleinfo import figures, jobs
from sampleinfo.jobs import JobStatus
from sampleinfo.ui.words import duration, plain

MARKS = {
    "done": ":green[:material/check_circle:]",
    "failed": ":red[:material/error:]",
    "cancelled": ":gray[:material/stop_circle:]",
    "lost": ":orange[:material/warning:]",
}
SHOWN = 3
EXPLORE = ("pages/explore.py", "Explore it", ":material/scatter_plot:")
VALIDATED = ("pages/validate.py", "See how true it is", ":material/verified:")
SUMMARIZED = ("pages/summaries.py", "See the summaries", ":material/filter_list:")
WORK = {jobs.CHECK: "Check", jobs.FETCH: "Download", jobs.VALIDATE: "Validate", jobs.SUMMARIZE: "Compare strategies"}
RESULTS = {jobs.VALIDATE: VALIDATED, jobs.SUMMARIZE: SUMMARIZED}


def jobs_panel(task: str | None = None, run_id: str | None = None, page: str = "app.py") -> None:
    """The newest jobs, of one task and run where these are given; ``page``: the file of the page that shows them.

    Polls once a second while one is at work, and draws the whole page anew when it ends.
    """
    found = _newest(task, run_id)
    if any(job.active for job in found):
        _live(task, run_id, page)
    else:
        for job in found:
            _ended(job, page)


def _newest(task: str | None, run_id: str | None) -> list[JobStatus]:
    wanted = (job for job in jobs.list_jobs() if task in (None, job.task) and run_id in (None, job.options.get("run")))
    return list(wanted)[:SHOWN]


@st.fragment(run_every=1.0)
def _live(task: str | None, run_id: str | None, page: str) -> None:
    found = _newest(task, run_id)
    if not any(job.active for job in found):
        st.rerun()
    for job in found:
        _active(job) if job.active else _ended(job, page)


def _active(job: JobStatus) -> None:
    with st.container(border=True, key=f"job-{job.id}"):
        st.markdown(f"**{_name(job)}** · {job.stage or 'Starting'}")
        st.progress(job.fraction)
        left = f" · about {duration(job.seconds_left)} left" if job.seconds_left is not None else ""
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{job.fraction:.0%} · {duration(job.seconds)} so far{left}")
            if st.button("Cancel", key=f"cancel-{job.id}", icon=":material/stop:"):
                jobs.cancel(job.id)
                st.toast("Stopping; finished blocks are kept.")
        table = jobs.preview(job.id)
        if table is not None:
            st.plotly_chart(figures.preview_map(table), key=f"preview-{job.id}", config={"displayModeBar": False})
            st.caption("First result: the images by PCA of the network's features, coloured by class. Scores follow.")


def _ended(job: JobStatus, page: str) -> None:
    with st.container(border=True, key=f"job-{job.id}", horizontal=True, vertical_alignment="center"):
        words = {"done": f"finished in {duration(job.seconds)}"}.get(job.state, job.state)
        st.markdown(
            f"{MARKS[job.state]} **{_name(job)}** · {words}" + (f": {plain(job.message)}" if job.message else "")
        )
        target, label, icon = RESULTS.get(job.task, EXPLORE)
        shown = target == page and st.query_params.get("run") == job.run_id
        if job.state == "done" and job.run_id and not shown:
            st.page_link(target, label=label, icon=icon, query_params={"run": job.run_id}, width="content")
        if st.button("Dismiss", key=f"dismiss-{job.id}", type="tertiary"):
            jobs.dismiss(job.id)
            st.rerun()


def _name(job: JobStatus) -> str:
    data = plain(" + ".join(Path(part).name or part for part in job.config.dataset.split("+")))
    if job.task != jobs.SCORE:
        real = job.task == jobs.SUMMARIZE and job.options.get("real")
        return f"{'Retrain summaries' if real else WORK[job.task]}: {data}"
    sizes = (job.config.train, job.config.validation)
    return data if None in sizes else f"{data}, {sizes[0]} + {sizes[1]} images"
