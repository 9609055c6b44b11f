"""What every test in Chromium needs: the browser, a dashboard to look at, and how to wait for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "tests" / "output"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"


@contextmanager
def launched() -> Iterator[Browser]:
    executable = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    assert executable, "no Chromium: run scripts/ensure_chromium.sh"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield started
        started.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(port: int, home: Path | None = None) -> Iterator[str]:
    """A dashboard on a store, that of SAMPLEINFO_HOME unless given; it is killed at the end, not asked to stop."""
    command = [sys.executable, "-m", "sampleinfo", "app", "--port", str(port)]
    environment = {**os.environ} if home is None else {**os.environ, "SAMPLEINFO_HOME": str(home)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    url = f"http://localhost:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, "the dashboard ended"
                time.sleep(0.25)
        yield url
    finally:
        process.kill()
        process.wait(20)


def fresh(browser: Browser, theme: str = "light", width: int = 1440) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=theme).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(60_000)
    return page


def settle(page: Page) -> None:
    page.wait_for_timeout(400)
    page.wait_for_selector(IDLE)
    page.wait_for_timeout(300)
    assert page.locator("[data-testid=stException]").count() == 0


def ids(page: Page, label: str) -> list[str]:
    options = page.locator(f"[role=listbox][aria-label='{label}'] [role=option]")
    return [str(options.nth(i).get_attribute("data-sample-id")) for i in range(options.count())]
