"""From a click on an image to the panel's answer, in Chromium, for sets of many sizes among 2000 training images.

Even against odd handwritten digits, one output. Each click adds or takes away one image; two times are measured in the
browser itself: until the panel counts the image, and until everything on the page is drawn. The processor's time of the
server per click is what of it does not depend on other work of the machine.

python -m benchmarks.clicks [--home DIR]
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

from benchmarks.table import described, machine
from sampleinfo import datasets, pipeline
from sampleinfo.config import RunConfig
from sampleinfo.decisions import collection_of, open_decisions
from sampleinfo.store import Run
from sampleinfo.types import TRAIN

TRAINED, HELD_OUT, SIZES, CLICKS = 2000, 800, (10, 100, 500, 1000, 1900), 7
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip
#: Clicks an image and resolves to the milliseconds until the panel shows another number of images, and
#: until the page rests.
CLICK = """image => new Promise((done) => {
  const count = () => document.querySelector('.st-key-accuracies [data-testid=stMetricLabel]')?.innerText
  const rests = () => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
  const before = count(), start = performance.now()
  let answered = 0
  image.click()
  const look = () => {
    if (!answered && count() && count() !== before) answered = performance.now() - start
    if (answered && rests()) done([answered, performance.now() - start])
    else requestAnimationFrame(look)
  }
  look()
})"""


def make_run(folder: Path) -> Run:
    """The run: MNIST's digits, even or odd; the network's head alone, which is quick to compute."""
    digits = datasets.read("mnist")
    rows = np.random.default_rng(0).permutation(len(digits))[: TRAINED + HELD_OUT]
    images = np.stack([digits.images[int(row)] for row in rows])
    path = folder / "parity.npz"
    np.savez_compressed(path, images=images, labels=digits.labels[rows] % 2, class_names=np.array(["even", "odd"]))
    return pipeline.score(RunConfig(str(path), train=TRAINED, validation=HELD_OUT, scope="head"))


def make_sets(run: Run) -> None:
    """One set of each size, drawn at random."""
    ids = run.samples["sample_id"][run.samples["split"] == TRAIN].to_numpy()
    book = open_decisions().book(collection_of(run))
    known = {each.name for each in book.sets()}
    for size in SIZES:
        if str(size) not in known:
            book.create_set(str(size), np.random.default_rng(size).permutation(ids)[:size].tolist())


@contextmanager
def dashboard() -> Iterator[tuple[str, psutil.Process]]:
    """The dashboard on the store of SAMPLEINFO_HOME: its address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command, url = [sys.executable, "-m", "sampleinfo", "app", "--port", str(port)], f"http://localhost:{port}"
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None:
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.25)
        yield url, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(20)


def busy(server: psutil.Process) -> float:
    """Seconds of the processor that the server has taken so far."""
    return sum(sum(each.cpu_times()[:2]) for each in (server, *server.children(recursive=True)))


def measured(page: Page, url: str, server: psutil.Process) -> list[tuple[float, float, float]]:
    """Of each click on the set whose page this is: seconds to the answer, to the page's rest, and of the processor."""
    page.goto(url)
    images = page.locator("[role=listbox][aria-label='Candidates'] [role=option]")
    images.first.wait_for(timeout=120_000)
    page.locator(".st-key-accuracies").wait_for(timeout=120_000)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=120_000)
    page.wait_for_timeout(1500)
    times = []
    for place in range(CLICKS):
        start = busy(server)
        answered, rested = images.nth(place).evaluate(CLICK)
        times.append((answered / 1000, rested / 1000, busy(server) - start))
        page.wait_for_timeout(700)
    return times


def show(run: Run) -> None:
    """Print median and worst for every size."""
    executable = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    assert executable, "no Chromium: run scripts/ensure_chromium.sh"
    names = ("answer", "all drawn", "server")
    print(f"{'images in the set':>18}" + "".join(f"{f'{name}, s: median':>22}{'worst':>8}" for name in names))
    with dashboard() as (url, server), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        for size in SIZES:
            times = measured(page, f"{url}/summaries?run={run.id}&tab=By+hand&set={size}", server)
            words = (f"{statistics.median(each):22.2f}{max(each):8.2f}" for each in zip(*times, strict=True))
            print(f"{size:18}{''.join(words)}", flush=True)
        browser.close()


def main() -> None:
    """Make the run where it is not there yet, click, print."""
    parser = argparse.ArgumentParser(description="Seconds from a click to its answer on the tab By hand.")
    parser.add_argument("--home", type=Path, metavar="DIR", help="a store to keep and use again (default: a new one)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        os.environ["SAMPLEINFO_HOME"] = str(home)
        run = make_run(home)
        make_sets(run)
        print(described(machine()))
        show(run)


if __name__ == "__main__":
    main()
