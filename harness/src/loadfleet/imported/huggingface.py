"""A file of a Hugging Face repository as a URL with a digest."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import IO, TYPE_CHECKING, Any

from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from http.client import HTTPMessage

HUB = "https://huggingface.co"
_REFERENCE = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)/(?P<path>[^@\s]+?)(?:@(?P<revision>[^@\s]+))?")
_TIMEOUT_S = 30.0


def address(reference: str) -> str:
    """The URL of `owner/repository/path/in/it.onnx@revision`; the revision is `main` when it is left out.

    `HF_ENDPOINT` in the environment names another hub, as for Hugging Face's own tools.

    Raises:
        InputError: It is not written so.
    """
    match = _REFERENCE.fullmatch(reference.strip())
    if match is None:
        raise InputError(
            f"benchmark_model_hf is {reference!r}", fix="write owner/repository/path/to/model.onnx@revision"
        )
    path, revision = (urllib.parse.quote(match[part] or "main", safe="/") for part in ("path", "revision"))
    hub = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
    return f"{hub}/{match['repository']}/resolve/{revision}/{path}"


def digest(url: str) -> str:
    """The SHA-256 that the hub states for a large file, asked for without fetching it.

    Raises:
        NotReadyError: The hub cannot be asked, has no such file, or states none (files kept in git itself).
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"HF_ENDPOINT leads to {url}", fix="set it to the address of a hub, or unset it")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(urllib.request.Request(url, method="HEAD"), timeout=_TIMEOUT_S) as answer:  # noqa: S310
            headers, status = answer.headers, answer.status
    except urllib.error.HTTPError as error:
        headers, status = error.headers, error.code
    except (OSError, ValueError) as error:
        raise NotReadyError(f"{url} cannot be asked for: {error}", fix="see the network, or HF_ENDPOINT") from error
    if status >= 400:
        raise NotReadyError(
            f"the hub answers {status} for {url}",
            fix="correct benchmark_model_hf; download by hand what needs an account, and set benchmark_model_path",
        )
    found: str = headers.get("X-Linked-Etag", "").strip('"')
    if not re.fullmatch(r"[0-9a-f]{64}", found):
        raise NotReadyError(f"the hub states no SHA-256 for {url}", fix="set benchmark_model_sha256")
    return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The digest is in the answer that redirects to where the file lies."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Any:
        return None
