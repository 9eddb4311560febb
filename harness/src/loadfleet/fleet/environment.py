"""What Ansible may see of the caller's environment, and cleaning artifacts of what nobody else should see.

ansible-runner copies the whole environment into the file `command` of its artifacts, where CI jobs upload it from.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loadfleet.files import read_json, write_json
from loadfleet.hidden import blot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMES = frozenset(
    {
        *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"),
        *("SSH_AGENT_PID", "SSH_AUTH_SOCK", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"),
    }
)
_PREFIXES = ("ANSIBLE_", "LC_", "LOADFLEET_", "PIP_", "KRB5")
# Set by ansible-runner against the user's own configuration (ansible.cfg): taken back unless the caller set them.
_UNWANTED = ("ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_CACHE_PLUGIN", "ANSIBLE_CACHE_PLUGIN_CONNECTION")


def passed_on() -> dict[str, str]:
    """The caller's variables that Ansible gets: what finds programs, agents, proxies, and Ansible's own."""
    kept = {name: value for name, value in os.environ.items() if name in _NAMES or name.startswith(_PREFIXES)}
    kept.pop("ANSIBLE_FORCE_COLOR", None)
    here = str(Path(sys.executable).parent)
    kept["PATH"] = os.pathsep.join([here, *kept.get("PATH", os.defpath).split(os.pathsep)])
    return kept


def minimal(prepared: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The environment of the process: `wanted`, and what ansible-runner added in `prepared` for itself."""
    own = {
        name: value
        for name, value in prepared.items()
        if os.environ.get(name) != value and name not in _UNWANTED and name not in wanted
    }
    forced = {"ANSIBLE_STDOUT_CALLBACK", "ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_RETRY_FILES_ENABLED"} & set(prepared)
    return {**own, **wanted, **{name: prepared[name] for name in forced}, "ANSIBLE_NOCOLOR": "1"}


def clean_artifacts(folder: Path, hidden: Iterable[str]) -> None:
    """Remove the environment and every hidden text from kept artifacts."""
    hidden = list(hidden)
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        if path.name == "command":
            command = read_json(path)
            write_json(path, {key: command[key] for key in ("command", "cwd")}, mode=0o600)
        if hidden:
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
            blotted = blot(text, hidden)
            if blotted != text:
                path.write_text(blotted, encoding="utf-8", errors="surrogateescape")
