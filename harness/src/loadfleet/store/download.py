"""Downloads over HTTP: resumed where the server can, with time limits, through the environment's proxies."""

from __future__ import annotations

import base64
import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from loadfleet import __version__
from loadfleet.store.part import BrokenTransferError, Part, SourceError, WrongContentError

if TYPE_CHECKING:
    from loadfleet.store.entry import Report

CONNECT_S = 10.0
READ_S = 30.0
ATTEMPTS = 4
PAUSE_S = 1.0
_PAGE = 65536  # bytes of a web page in which its title is looked for
_LOGIN = 401
_TRY_AGAIN = {429, 500, 502, 503, 504}
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _HTTPConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_S)


class _HTTPSConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_S)


class _HTTPHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HTTPConnection, req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HTTPSConnection, req)


def fetch(url: str, part: Part, report: Report) -> None:
    """Bring a file, continuing what is there of it.

    Raises:
        SourceError: The server cannot be reached, refuses, breaks off too often, or has another file.
        NotReadyError: The disk has no room for it.
        OSError: The disk cannot be written.
    """
    opener = urllib.request.build_opener(_HTTPHandler(), _HTTPSHandler())
    for attempt in range(1, ATTEMPTS + 1):
        offset = part.offset
        if part.size is not None and offset > part.size:
            part.drop()
            offset = 0
        try:
            _transfer(opener, url, part, offset)
        except WrongContentError:  # continued from an earlier attempt
            report("  what an earlier attempt left was not a part of this file; starting anew")
        except BrokenTransferError as error:
            if attempt == ATTEMPTS:
                raise
            report(f"  {error}; trying again ({attempt} of {ATTEMPTS - 1})")
            time.sleep(PAUSE_S)
        else:
            return
    raise SourceError(f"gave up after {ATTEMPTS} attempts")


def shown(url: str) -> str:
    """The URL without user and password."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _transfer(opener: urllib.request.OpenerDirector, url: str, part: Part, offset: int) -> None:
    known = part.origin(shown(url)) if offset else None
    try:
        response = opener.open(_request(url, offset, known), timeout=CONNECT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            part.drop()
            raise BrokenTransferError("the server cannot continue at that place") from error
        if error.code in _TRY_AGAIN:
            raise BrokenTransferError(f"HTTP {error.code} {error.reason}") from error
        login = "; it wants a user and a password: https://USER:PASSWORD@..." if error.code == _LOGIN else ""
        raise SourceError(f"HTTP {error.code} {error.reason}{login}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        words = str(getattr(reason, "strerror", None) or reason) or type(error).__name__
        if untrusted := getattr(reason, "verify_message", ""):
            words = f"its certificate is not to be trusted: {untrusted}"
        raise SourceError(words, unreachable=True) from error
    with response:
        resume, total = _position(response, offset)
        version = _version(response)
        if resume and None not in {known, version} and known != version:
            part.drop()
            raise BrokenTransferError("the file has changed on the server since an earlier attempt")
        _refuse_page(response, url)
        if not resume:
            part.note_origin(shown(url), version)
        try:
            part.write(response, resume=resume, total=total)
        except WrongContentError as error:
            if resume:
                raise
            raise SourceError(str(error)) from error


def _version(response: Any) -> str | None:
    """What tells this version of the file from others: a strong validator (RFC 9110, 8.8), or None."""
    etag: str | None = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    modified: str | None = response.headers.get("Last-Modified")
    return modified


def _refuse_page(response: Any, url: str) -> None:
    """Servers that want a login or lost a file often answer 200 with a page for people.

    Raises:
        SourceError: A web page came, and none was asked for.
    """
    kind = response.headers.get_content_type()
    if kind != "text/html" or urllib.parse.urlsplit(url).path.endswith((".html", ".htm")):
        return
    title = re.search(rb"<title[^>]*>(.*?)</title>", response.read(_PAGE), re.DOTALL | re.IGNORECASE)
    words = f": {' '.join(title[1].decode(errors='replace').split())[:80]!r}" if title else ""
    raise SourceError(f"answers with a web page instead of the file{words}")


def _request(url: str, offset: int, known: str | None) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(shown(url), headers={"User-Agent": f"loadfleet/{__version__}"})  # noqa: S310
    if parts.username is not None:  # urllib does not understand user:password@host
        login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    if offset:
        request.add_header("Range", f"bytes={offset}-")
        if known:  # answered with the whole file when that has changed
            request.add_header("If-Range", known)
    return request


def _position(response: Any, offset: int) -> tuple[bool, int | None]:
    """Whether the answer continues at `offset`, and the bytes of the whole file where the server says."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match or int(match[1]) != offset:
            raise SourceError(f"answers with the wrong part: {response.headers.get('Content-Range')}")
        return True, None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length", "")
    return False, int(length) if length.isdigit() else None
