"""ssh's way into a lab's network: opens the connection there and hands it to ssh, so nothing stands between them.

    ssh -o ProxyUseFdpass=yes -o "ProxyCommand=python connect.py PID NET %h %p" ...

The lab has no uplink and this machine no route to it. PID is the lab's anchor, NET the number of its network namespace:
a process that got the number of an ended anchor is another one's.
"""

from __future__ import annotations

import array
import ctypes
import os
import socket
import sys

NEWNET = 0x40000000
PATIENCE_S = 10  # ssh's own ConnectTimeout does not cover a ProxyCommand


def main(pid: str, net: str, address: str, port: str) -> None:
    try:
        descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    except FileNotFoundError:
        sys.exit("lab: it has ended")
    if os.fstat(descriptor).st_ino != int(net):
        sys.exit("lab: it has ended")
    if ctypes.CDLL(None).setns(descriptor, NEWNET) != 0:
        sys.exit("lab: only root may enter its network")
    try:
        connection = socket.create_connection((address, int(port)), PATIENCE_S)
    except OSError as error:
        sys.exit(f"lab: {address}: {error}")
    # A mode of the socket itself, which ssh gets as it is.
    connection.setblocking(True)
    with socket.socket(fileno=1) as ssh:
        rights = array.array("i", [connection.fileno()])
        ssh.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


if __name__ == "__main__":
    main(*sys.argv[1:])
