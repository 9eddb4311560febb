# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Says what is wrong with a host, from what ssh, its shell or its Python printed. Private to this collection."""

from __future__ import annotations

import re
from typing import NamedTuple

# Words that Ansible puts before what ssh or the host said.
PREFIXES = re.compile(
    r"^(Task failed: )?(Failed to connect to the host via \w+: |Data could not be sent to remote host \"[^\"]*\"\. "
    r"Make sure this host can be reached over \w+: |MODULE FAILURE: )*"
)
NOISE = re.compile(
    r"^([@\s]*$|@\s+WARNING|IT IS POSSIBLE|Someone could be|It is also possible|Please contact|Add correct|"
    r"Traceback|File \"|See stdout|No start of json|mux_client_request_session|Shared connection)"
)
LONGEST = 300


class Reason(NamedTuple):
    """Why a host cannot be worked on: class of the failure, what was seen, what mends it."""

    kind: str
    seen: str
    fix: str


# What was printed, class, what mends it; the first match counts. `{...}` are groups of the pattern, `{host}` and
# `{address}` the host's name in the inventory and what ssh was given.
CAUSES = (
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED(?s:.*?)(?P<seen>SHA256:[\w+/=]+)"
     r"(?s:.*?Offending \S+ key in )(?P<place>\S+?):\d+",
     "connection", "host key has changed: the host now shows {seen}, another one stands in {place}",
     "ask the host's administrator whether that is its key; if so: ssh-keygen -R {address} -f {place}, then "
     "ssh-keyscan {address} >> {place}"),
    (r"No \S+ host key is known for .*|Host key verification failed.*", "connection", "",
     "compare the host's key with its administrator's, then add it: ssh-keyscan {address} >> ~/.ssh/known_hosts"),
    (r".*Permission denied \((publickey|password|keyboard|gssapi|hostbased).*"
     r"|.*(Invalid/incorrect (username/)?password|Authentication failed|Too many authentication failures).*",
     "connection", "",
     "have your public key in the account's authorized_keys (ssh-copy-id); look at ansible_user and "
     "ansible_ssh_private_key_file"),
    (r".*(Could not resolve|Name or service not known|Temporary failure in name resolution).*", "connection", "",
     "correct the name in the inventory, or set ansible_host to its address"),
    (r".*Connection refused.*", "connection", "", "start sshd there, or set ansible_port"),
    (r".*(timed out|No route to host|Host is down|Network is unreachable|Timeout, server .* not responding).*",
     "connection", "",
     "see whether the host is up and its port 22 reachable from here; look at ansible_host and ansible_port"),
    (r".*(Connection (reset|closed)|Broken pipe|closed by remote host|Shared connection to).*", "connection", "",
     "see whether the host still runs, then repeat the command: it goes on where it was"),
    (r".*(interpreter .*not found|No such file or directory.*python|python[\d.]*: (command )?not found).*",
     "environment", "",
     "install Python 3.8 or newer there (apt-get install python3), or set ansible_python_interpreter"),
    (r".*(minimum of Python version|requires a minimum of Python).*|SyntaxError: .*", "environment", "",
     "install Python 3.8 or newer there and name it in ansible_python_interpreter"),
    (r".*(No space left on device|Errno 28|Disk quota exceeded).*", "environment", "",
     "free some space on the host, or set store_path to a larger disk"),
    (r".*(Read-only file system|Errno 30).*", "environment", "",
     "mount the host's disk writable, or set store_path (and ansible_remote_tmp) to another disk"),
    (r".*(sudo|become|su: ).*", "environment", "",
     "let the account use sudo without a password, or set ansible_become_password"),
    (r".*(Permission denied|Errno 13|did not have permissions on the target directory).*", "environment", "",
     "let the account write there, or set store_path (and ansible_remote_tmp) to a folder of its own"),
    (r".*(Cannot allocate memory|Errno 12|MemoryError|Killed).*", "environment", "", "free some memory on the host"),
)  # fmt: skip


def explain(message: str, host: str = "HOST", address: str = "") -> Reason:
    """The reason in what was printed; class unknown with its last words where no pattern fits.

    Args:
        message: What Ansible, ssh, the host's shell or its Python said.
        host: Its name in the inventory.
        address: What ssh was given; the name when empty.
    """
    text = PREFIXES.sub("", message.strip())
    for pattern, kind, seen, fix in CAUSES:
        match = re.search(pattern, text, re.MULTILINE)
        if match:
            words = dict(match.groupdict(), host=host, address=address or host)
            line = seen.format(**words) if seen else PREFIXES.sub("", match.group(0).strip())
            return Reason(kind, shortened(line), fix.format(**words))
    lines = [line.strip() for line in text.splitlines() if not NOISE.match(line.strip())]
    return Reason(
        "unknown", shortened(lines[-1] if lines else "no reason given"), "try: ansible %s -m ping -vvv" % host
    )


def shortened(line: str) -> str:
    """The line, cut where a message would get out of hand."""
    return line if len(line) < LONGEST else line[: LONGEST - 3] + "..."


def text(host: str, what: str, reason: Reason) -> str:
    """The reason for people: host, what did not work and class; below it what was seen, and the fix."""
    return "%s %s (class %s)\n  error  %s\n  fix    %s" % (host, what, reason.kind, reason.seen, reason.fix)


def inline(message: str) -> str:
    """What `text` gave, for the middle of other words."""
    return re.sub(r"\n  error  ", ": ", re.sub(r"\n  fix    ", "; fix: ", message))
