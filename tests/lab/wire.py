"""A long cable, where the kernel has no netem: holds each frame for a while, in both directions.

    python -m tests.lab.wire CABLE BRIDGE MILLISECONDS      until SIGTERM, which restores the cable

The cable's end is moved to a bridge of its own, and this process carries the frames between the two bridges over two
TAP devices. A raw socket on the cable would get segments larger than frames, with unfinished checksums.
"""

from __future__ import annotations

import collections
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME = 65536


def main(cable: str, bridge: str, milliseconds: str) -> None:
    near, far, own = f"{cable}n", f"{cable}f", f"{cable}b"
    ends = [_tap(near), _tap(far)]
    _ip(
        f"link add {own} type bridge",
        f"link set {own} up",
        f"link set {near} master {bridge} up",
        f"link set {far} master {own} up",
        f"link set {cable} master {own}",
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)
    try:
        _carry(ends, float(milliseconds) / 1000)
    finally:
        # After a power cut there is no cable any more.
        subprocess.run(["ip", "link", "set", cable, "master", bridge], stderr=subprocess.DEVNULL, check=False)
        _ip(f"link del {own}")


def _tap(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


def _ip(*lines: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def _carry(ends: list[int], delay: float) -> None:
    # The same delay for all: they leave in the order in which they came.
    held: collections.deque[tuple[float, int, bytes]] = collections.deque()
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    while True:
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        for descriptor in select.select(ends, [], [], wait)[0]:
            held.append((time.monotonic() + delay, other[descriptor], os.read(descriptor, FRAME)))
        while held and held[0][0] <= time.monotonic():
            _, out, frame = held.popleft()
            os.write(out, frame)


if __name__ == "__main__":
    main(*sys.argv[1:])
