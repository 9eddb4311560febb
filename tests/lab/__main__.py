"""A lab by hand: `python -m tests.lab up 4`, and what `make lab-up`, `lab-down` and `lab-shell` run."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.lab import ROOT, Lab, LabError, NotPossibleError

NOT_READY = 3  # as with every command of the project


def folder() -> Path:
    """The one lab that is started by hand; in a folder of this user's, since its key lies there."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"loadfleet-lab-{os.geteuid()}"


def up(lab: Lab, arguments: argparse.Namespace) -> int:
    """Start hosts; they stay until `down`."""
    lab = Lab.up(lab.folder, arguments.hosts, sudo=arguments.sudo)
    print(
        f"{len(lab.hosts)} hosts are up: {', '.join(lab.hosts)}\n"
        f"  inventory    {lab.inventory}\n"
        f"  a playbook   ansible-playbook playbooks/bert.yml -i {lab.inventory}\n"
        "  a shell      make lab-shell, or on a host: make lab-shell HOST=sut1\n"
        "  their end    make lab-down"
    )
    return 0


def down(lab: Lab, _arguments: argparse.Namespace) -> int:
    """End everything."""
    lab.down()
    return 0


def shell(lab: Lab, arguments: argparse.Namespace) -> int:
    """Log in on a host, or have a shell here whose Ansible knows the lab."""
    if not lab.is_up():
        raise LabError("no lab is up; fix: make lab-up HOSTS=3")
    if arguments.host:
        if arguments.host not in lab.hosts:
            raise LabError(f"the lab has no host {arguments.host}; fix: use one of {', '.join(lab.hosts)}")
        return subprocess.call(lab.ssh_command(arguments.host))
    print(f"ANSIBLE_INVENTORY names the lab ({', '.join(lab.hosts)}): ansible-playbook playbooks/bert.yml; exit leaves")
    environment = {**os.environ, "ANSIBLE_INVENTORY": str(lab.inventory)}
    return subprocess.call([os.environ.get("SHELL", "/bin/sh")], env=environment, cwd=ROOT)


def fault(lab: Lab, arguments: argparse.Namespace) -> int:
    """Break a host or mend it."""
    host, value = arguments.host, arguments.value
    try:
        {
            "kill": lambda: lab.kill(host),
            "start": lambda: lab.start(host),
            "unplug": lambda: lab.unplug(host),
            "plug": lambda: lab.plug(host),
            "slow": lambda: lab.slow(host, int(value) or None),
            "delay": lambda: lab.delay(host, float(value)),
            "clock": lambda: lab.clock(host, float(value)),
        }[arguments.what]()
    except ValueError:
        raise LabError(f"{arguments.what} needs a number, not {value!r}") from None
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="Several hosts on this machine, over SSH.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verb = verbs.add_parser("up", help="start hosts sut1, sut2, ...")
    verb.add_argument("hosts", type=int, nargs="?", default=3)
    verb.add_argument("--sudo", action="store_true", help="let their login user become root")
    verb.set_defaults(call=up)
    verbs.add_parser("down", help="end everything").set_defaults(call=down)
    verb = verbs.add_parser("shell", help="a shell on a host, or one here that knows the lab")
    verb.add_argument("host", nargs="?")
    verb.set_defaults(call=shell)
    verb = verbs.add_parser("fault", help="break a host or mend it")
    verb.add_argument("what", choices=["kill", "start", "unplug", "plug", "slow", "delay", "clock"])
    verb.add_argument("host")
    verb.add_argument("value", nargs="?", default="0", help="kbit/s, ms or s; 0 mends")
    verb.set_defaults(call=fault)
    arguments = parser.parse_args()
    try:
        return int(arguments.call(Lab(folder()), arguments))
    except (LabError, NotPossibleError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return NOT_READY


if __name__ == "__main__":
    sys.exit(main())
