"""Joins two TAP devices and holds up each Ethernet frame between them, each way for itself.

Arguments: the names of the devices, and a seed. Orders come as lines on standard input, times in seconds:

* `all LEAST JITTER`: how long frames wait from now on; none overtakes another.
* `udp SEED LEAST JITTER LOSS GONE EVERY`: from now on this alone is what happens to UDP. The share LOSS is lost by chance, and
  all that comes within the first GONE of each EVERY. What is left waits for itself, and may overtake. Chances begin anew with
  the seed, and the clock of EVERY with this moment.
* `udp`: UDP is as all the rest again.

The end of standard input means that the line is to go, or that whoever started us is gone.
"""

import fcntl
import heapq
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
UDP = 17


def tap(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def is_udp(frame: bytes) -> bool:
    kind = frame[12:14]
    return (kind == b"\x08\x00" and frame[23:24] == bytes([UDP])) or (kind == b"\x86\xdd" and frame[20:21] == bytes([UDP]))


class Way:
    """The frames on their way to one of the devices."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.waiting: list[tuple[float, int, bytes]] = []
        self.count = 0
        self.last = 0.0
        self.udp_chance = random.Random()

    def take(self, frame: bytes, now: float) -> None:
        if len(self.waiting) >= MAX_WAITING:
            return
        if udp is not None and is_udp(frame):
            due = self.udp_due(now)
            if due is None:
                return
        else:
            # A frame that would overtake the one before it waits for that.
            due = max(self.last, now + least + jitter * self.chance.random())
            self.last = due
        # The count keeps those that are due at the same time in their order.
        self.count += 1
        heapq.heappush(self.waiting, (due, self.count, frame))

    def udp_due(self, now: float) -> float | None:
        udp_least, udp_jitter, loss, gone, every = udp
        # Both are drawn for each packet, so that the same packets are lost whatever the jitter.
        lost, longer = self.udp_chance.random() < loss, self.udp_chance.random()
        if lost or (every > 0 and (now - begun) % every < gone):
            return None
        return now + udp_least + udp_jitter * longer

    def give(self, device: int, now: float) -> None:
        while self.waiting and self.waiting[0][0] <= now:
            _, _, frame = heapq.heappop(self.waiting)
            try:
                os.write(device, frame)
            except OSError:
                # Down, or full: lost.
                pass


first, second, seed = sys.argv[1:]
devices = [tap(first), tap(second)]
other = {devices[0]: devices[1], devices[1]: devices[0]}
ways = {device: Way(int(seed) * 2 + number) for number, device in enumerate(devices)}
least, jitter = 0.0, 0.0
udp, begun = None, 0.0
print("ready", flush=True)


def obey(kind: str, *numbers: str) -> None:
    global least, jitter, udp, begun
    if kind == "all":
        least, jitter = map(float, numbers)
        return
    if not numbers:
        udp = None
        return
    udp, begun = tuple(map(float, numbers[1:])), time.monotonic()
    for number, way in enumerate(ways.values()):
        way.udp_chance = random.Random(int(numbers[0]) * 2 + number)


while True:
    due = [way.waiting[0][0] for way in ways.values() if way.waiting]
    patience = max(0.0, min(due) - time.monotonic()) if due else None
    readable, _, _ = select.select([*devices, 0], [], [], patience)
    now = time.monotonic()
    for source in readable:
        if source == 0:
            order = os.read(0, 4096).decode()
            if not order:
                sys.exit()
            obey(*order.split())
            print("set", flush=True)
            continue
        try:
            frame = os.read(source, MAX_FRAME)
        except OSError:
            # The device is down for the moment.
            continue
        ways[other[source]].take(frame, now)
    for target, way in ways.items():
        way.give(target, now)
