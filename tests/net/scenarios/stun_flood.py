"""Strangers flood a node with STUN messages that are for nobody: the tunnel and the control thread
hardly notice.

    alice ── internet ── bob
                 ├────── coord (with relay)
                 └────── mallory, 50,000 messages a second
"""

import json
import random
import struct
import threading
import time

from lab.command import check
from lab.warren import coordinator, join

TIMEOUT_S = 90
RATE = 50000
BURSTS_A_SECOND = 200


def binding(rng, kind):
    """A Binding request with a random user name, or a success response to nothing."""
    name = f"{rng.randbytes(4).hex()}:{rng.randbytes(4).hex()}".ljust(20, "x").encode()
    attributes = struct.pack("!HH", 6, len(name)) + name
    return struct.pack("!HHI", kind, len(attributes), 0x2112A442) + rng.randbytes(12) + attributes


class Flood:
    def __init__(self, ns, address, port, rng):
        self.messages = [binding(rng, rng.choice((0x0001, 0x0101))) for _ in range(5000)]
        self.ns, self.target, self.sent, self.ended = ns, (address, port), 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.start = time.monotonic()
        self.mouth = ns.socket()
        self.thread.start()

    def run(self):
        while not self.ended:
            for _ in range(RATE // BURSTS_A_SECOND):
                self.mouth.sendto(self.messages[self.sent % len(self.messages)], self.target)
                self.sent += 1
            behind = self.start + self.sent / RATE - time.monotonic()
            if behind > 0:
                time.sleep(behind)

    def stop(self):
        self.ended = True
        self.thread.join()
        self.mouth.close()
        return self.sent / (time.monotonic() - self.start)


def iperf(source, target, seconds):
    server = target.ns.start("iperf-server", "iperf3", "-s", "-1", "-B", target.address(), "--forceflush")
    server.wait_log("listening")
    said = source.ns.run("iperf3", "-c", target.address(), "-J", "-t", seconds, timeout_s=seconds + 20).stdout
    server.wait()
    return json.loads(said)["end"]["sum_received"]["bits_per_second"] / 1e6


def slowest_status(node, count):
    slowest = 0.0
    for _ in range(count):
        start = time.monotonic()
        node.status()
        slowest = max(slowest, time.monotonic() - start)
        time.sleep(0.2)
    return slowest


def scenario(lab):
    coord = coordinator(lab)
    alice, bob = join(lab, coord, lab.server("alice", v6=False), lab.server("bob", v6=False))
    mallory = lab.server("mallory")
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    host, port = alice.wait_path(bob, "direct")["endpoint"].rsplit(":", 1)
    calm = iperf(alice, bob, 3)
    calm_status = slowest_status(bob, 5)
    flood = Flood(mallory, host, int(port), random.Random(lab.seed))
    # Longer than consent lasts without answers.
    rough = iperf(alice, bob, 6)
    rough_status = slowest_status(bob, 15)
    rate = flood.stop()
    print(f"TCP {calm:.0f} Mbit/s alone, {rough:.0f} under {rate:.0f} messages/s; status within "
          f"{calm_status * 1000:.0f} and {rough_status * 1000:.0f} ms")
    check(rough_status < 1, f"status took {rough_status:.1f} s under the flood")
    check(rough > 10, f"only {rough:.1f} Mbit/s under the flood")
    check(alice.peer(bob)["path"] == "direct", "the direct path was lost")
    check(bob.peer(alice)["path"] == "direct", "bob's direct path was lost")
