"""Joins two TAP devices and holds up each Ethernet frame between them, each way for itself.

Arguments: the names of the devices, and a seed. A line on standard input, `LEAST JITTER` in seconds, says how long frames
wait from now on. Its end means that the line is to go, or that whoever started us is gone.
"""

import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
MAX_FRAME = 65536
# More than any test keeps on the way; what comes on top is lost, as in a router.
MAX_WAITING = 10000


def tap(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


first, second, seed = sys.argv[1:]
devices = [tap(first), tap(second)]
other = {devices[0]: devices[1], devices[1]: devices[0]}
waiting = {device: collections.deque() for device in devices}
chance = random.Random(int(seed))
least, jitter = 0.0, 0.0
print("ready", flush=True)

while True:
    due = [queue[0][0] for queue in waiting.values() if queue]
    patience = max(0.0, min(due) - time.monotonic()) if due else None
    readable, _, _ = select.select([*devices, 0], [], [], patience)
    now = time.monotonic()
    for source in readable:
        if source == 0:
            words = os.read(0, 4096).split()
            if not words:
                sys.exit()
            least, jitter = float(words[-2]), float(words[-1])
            print("set", flush=True)
            continue
        try:
            frame = os.read(source, MAX_FRAME)
        except OSError:
            # The device is down for the moment.
            continue
        queue = waiting[other[source]]
        if len(queue) < MAX_WAITING:
            # A frame that would overtake the one before it waits for that.
            earliest = queue[-1][0] if queue else 0.0
            queue.append((max(earliest, now + least + jitter * chance.random()), frame))
    for target, queue in waiting.items():
        while queue and queue[0][0] <= now:
            _, frame = queue.popleft()
            try:
                os.write(target, frame)
            except OSError:
                # Down, or full: lost.
                pass
