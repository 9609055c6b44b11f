"""Live progress of background jobs."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from sampleinfo import exports, figures, jobs
from sampleinfo.errors import printable
from sampleinfo.exports import packing
from sampleinfo.jobs import JobStatus
from sampleinfo.ui.words import count, duration, plain

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
#: Of each question that is asked of a run: what the work is called, and where its answer is shown.
ASKED = {"sources": "Compare sources", "classes": "Compare classes", "review": "Look for suspicious images"}
ANSWERED = {
    "sources": ("pages/sources.py", "See the sources", ":material/compare_arrows:"),
    "classes": ("pages/classes.py", "See the classes", ":material/category:"),
    "review": ("pages/review.py", "Review them", ":material/rule:"),
}


def jobs_panel(
    task: str | None = None, run_id: str | None = None, page: str = "app.py", key: str = "job"
) -> None:  # fmt: skip
    """The newest jobs, of one task and run where these are given; ``page``: the file of the page that shows them.
    ``key``: another for each panel on a page.

    Polls once a second while one is at work, and draws the whole page anew when it ends.
    """
    found = _newest(task, run_id)
    if any(job.active for job in found):
        _live(task, run_id, page, key)
    else:
        for job in found:
            _ended(job, page, key)


def _newest(task: str | None, run_id: str | None) -> list[JobStatus]:
    wanted = (job for job in jobs.list_jobs() if task in (None, job.task) and run_id in (None, job.options.get("run")))
    return list(wanted)[:SHOWN]


@st.fragment(run_every=1.0)
def _live(task: str | None, run_id: str | None, page: str, key: str) -> None:
    found = _newest(task, run_id)
    if not any(job.active for job in found):
        st.rerun()
    for job in found:
        _active(job, key) if job.active else _ended(job, page, key)


def _active(job: JobStatus, key: str) -> None:
    with st.container(border=True, key=f"{key}-{job.id}"):
        st.markdown(f"**{_name(job)}** · {job.stage or 'Starting'}")
        st.progress(job.fraction)
        left = f" · about {duration(job.seconds_left)} left" if job.seconds_left is not None else ""
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{job.fraction:.0%} · {duration(job.seconds)} so far{left}")
            if st.button("Cancel", key=f"cancel-{key}-{job.id}", icon=":material/stop:"):
                jobs.cancel(job.id)
                st.toast(f"Stopping. {jobs.TASKS[job.task].stopped}")
        table = jobs.preview(job.id)
        if table is not None:
            st.plotly_chart(figures.preview_map(table), key=f"preview-{key}-{job.id}", config={"displayModeBar": False})
            st.caption("First result: the images by PCA of the network's features, coloured by class. Scores follow.")


def _ended(job: JobStatus, page: str, key: str) -> None:
    with st.container(border=True, key=f"{key}-{job.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            words = {"done": f"finished in {duration(job.seconds)}"}.get(job.state, job.state)
            st.markdown(
                f"{MARKS[job.state]} **{_name(job)}** · {words}" + (f": {plain(job.message)}" if job.message else "")
            )
            target, label, icon = ANSWERED.get(job.options.get("question", ""), RESULTS.get(job.task, EXPLORE))
            shown = job.task == jobs.EXPORT or (target == page and st.query_params.get("run") == job.run_id)
            if job.state == "done" and job.run_id and not shown:
                st.page_link(target, label=label, icon=icon, query_params={"run": job.run_id}, width="content")
            if st.button("Dismiss", key=f"dismiss-{key}-{job.id}", type="tertiary"):
                jobs.dismiss(job.id)
                st.rerun()
        if job.task == jobs.EXPORT and job.state == "done":
            _written(Path(job.options["path"]), str(job.options["format"]), f"{key}-{job.id}")


def _written(path: Path, format: str, key: str) -> None:
    """Where a set was written, to be copied, and the download of it where that makes sense."""
    if not path.exists():
        st.caption(f"{plain(path)} is not there any more.")
        return
    st.code(printable(str(path)), language=None, wrap_lines=True)
    if format == "links":
        st.caption("Links lead to files of this machine only; take copies to another one.")
        return
    size = _size(str(path), path.stat().st_mtime_ns)
    words = f"{size / 2**20:.1f} MB" if size >= 2**20 / 10 else f"{max(1, round(size / 2**10))} kB"
    if size > packing.LARGEST:
        st.caption(f"{words}: too large to download here; copy it from the folder.")
        return
    folder = path.is_dir()
    st.download_button(
        f"Download as ZIP, {words}" if folder else f"Download, {words}", lambda: packing.packed(path),
        f"{path.name}.zip" if folder else path.name, key=f"take-{key}", on_click="ignore", icon=":material/download:",
    )  # fmt: skip


@st.cache_data(max_entries=64, show_spinner=False)
def _size(path: str, changed: int) -> int:  # noqa: ARG001 - it is part of the key
    return packing.size(Path(path))


def _name(job: JobStatus) -> str:
    data = plain(" + ".join(Path(part).name or part for part in job.config.dataset.split("+")))
    if job.task == jobs.EXPORT:
        title = exports.FORMATS[job.options["format"]].title
        return f"{title}: {plain(job.options['name'])}, {count(int(job.options['images']), 'image')}"
    if job.task == jobs.ANALYSE:
        return f"{ASKED.get(job.options['question'], job.options['question'])}: {data}"
    if job.task != jobs.SCORE:
        real = job.task == jobs.SUMMARIZE and job.options.get("real")
        return f"{'Retrain summaries' if real else WORK[job.task]}: {data}"
    sizes = (job.config.train, job.config.validation)
    return data if None in sizes else f"{data}, {sizes[0]} + {sizes[1]} images"
