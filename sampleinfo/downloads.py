"""Files from the network: https only, checked, and whole or not there at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlparse
from uuid import uuid4

from sampleinfo.errors import InvalidData, StorageError
from sampleinfo.types import Reporter, silent

#: Bytes that are read at a time, bytes after which an endless answer is given up, and seconds of silence.
CHUNK, MOST, PATIENCE = 2**16, 4 * 2**30, 30.0
#: Hosts that http is allowed to.
LOCAL = ("127.0.0.1", "localhost")


class _Refused(Exception):
    """A download that came to an end without an error of the network; the text says why."""


def fetch(url: str, target: Path, report: Reporter = silent, stage: str = "weights") -> Path:
    """``target``, downloaded from ``url`` unless it is there already.

    Where the file's name ends in a dash and eight or more hexadecimal digits, its SHA-256 must begin with them.
    Progress goes to ``report`` as ``stage`` in bytes, the total being what has come so far where the server does not
    tell it; what ``report`` raises ends the download, and nothing of it stays behind.

    Raises:
        StorageError: the download failed, or the file cannot be written or read.
        InvalidData: a file already there has another checksum.
    """
    found = re.search(r"-([0-9a-f]{8,64})\.[^.]+$", target.name)
    prefix = found.group(1) if found else ""
    if _present(target, prefix):
        return target
    temporary = target.with_name(f"{target.name}.{uuid4().hex}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = _download(url, temporary, report, stage)
        if not digest.startswith(prefix):
            raise _Refused(f"the checksum of what came is {digest[: len(prefix)]}, not {prefix}")
        os.replace(temporary, target)
    except (OSError, http.client.HTTPException, ValueError, _Refused) as error:
        raise StorageError(
            f"the download of {url} failed ({_why(error)}); put the file at {target} yourself, or give your own with "
            "--weights."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return target


def _present(target: Path, prefix: str) -> bool:
    """Whether the file is there already, and right."""
    try:
        if not target.exists():
            return False
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"cannot read {target}: {error.strerror or error}.") from error
    if not digest.startswith(prefix):
        raise InvalidData(
            f"{target} is not the file that belongs there: its checksum is {digest[: len(prefix)]}, not {prefix}; "
            "delete it to have it downloaded again."
        )
    return True


def _download(url: str, path: Path, report: Reporter, stage: str) -> str:
    """Write what ``url`` gives to the new file ``path``; the SHA-256 of it."""
    digest, done = hashlib.sha256(), 0
    with _opened(url) as answer, path.open("xb") as file:
        told = answer.headers.get("Content-Length")
        total = int(told) if told is not None else None
        if total is not None and total > MOST:
            raise _Refused(f"it is to be {total} bytes, more than the {MOST} allowed")
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if done > MOST:
                raise _Refused(f"more than {MOST} bytes came")
            report(stage, done, total or done)
    if total is not None and done != total:
        raise _Refused(f"the connection ended after {done} of {total} bytes")
    return digest.hexdigest()


@contextmanager
def _opened(url: str) -> Iterator[Any]:
    _check(url)
    opener = urllib.request.build_opener(_Redirects)
    request = urllib.request.Request(url, headers={"User-Agent": "sampleinfo"})
    with opener.open(request, timeout=PATIENCE) as answer:
        yield answer


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows no way out of https."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        _check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _check(url: str) -> None:
    parts = urlparse(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise _Refused(f"only https is allowed, not {parts.scheme or 'no scheme'}://{parts.hostname or ''}")


def _why(error: Exception) -> str:
    reason: object = error
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        reason = error.reason
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
