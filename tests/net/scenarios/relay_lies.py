"""The nearest relay doubles, reorders, truncates, garbles, misdirects or swallows what it carries, and
answers all questions well: conversations go on, by another relay where that is needed.

    alice ─┐                        ┌── coord (with relay, 20 ms away)
    bob ───┼── routers B ── internet┤
    carol ─┘                        └── near (lying_relay.py before a warren-relay)
"""

import os
import time

from lab.command import check, wait_until
from lab.warren import Coordinator, Relay, Stream, join
from lab.world import ROOT

LIMIT_S = 1.5
BEHIND = 13478


class LyingRelay(Relay):
    """A relay whose datagrams pass through tools/lying_relay.py."""

    def start(self):
        address = self.ns.address(4)
        self.process = self.ns.start(self.name, self.ns.lab.bin("warren-relay"), "serve", "--name",
                                     self.name, "--listen", f"{address}:{BEHIND}", "--tls-listen",
                                     f"{address}:443", "--secret-file", self.secret)
        self.process.wait_log("ready")
        self.liar = self.ns.start("liar", os.path.join(ROOT, "tests/net/tools/lying_relay.py"), address,
                                  3478, BEHIND, stdin=True)
        self.liar.wait_log("ready")

    def says(self, word):
        self.liar.write(word)


def relay_of(node, other):
    return (node.peer(other) or {}).get("relay")


def honest_again(near, nodes):
    near.says("honest")
    for node in nodes:
        for other in nodes:
            if node is not other:
                wait_until(f"{node.name} is by near", lambda: relay_of(node, other) == "near", 40)


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord", impair="delay_ms=20"))
    near = LyingRelay(coord, lab.server("near"), "near")
    nodes = join(lab, coord, *(lab.home(f"home{i}", "B").host(name)
                               for i, name in enumerate(("alice", "bob", "carol"))))
    alice, bob, carol = nodes
    for node in nodes:
        node.wait_home_relay("near", 30)
        for other in nodes:
            if node is not other:
                node.ctl("set", "path", other.name, "relay")
                node.reaches(other)
    streams = [Stream(alice, bob), Stream(alice, carol), Stream(bob, carol)]
    honest_again(near, nodes)
    for word in ("shuffle", "truncate", "garble", "swap", "swallow"):
        time.sleep(1)
        since = time.time()
        near.says(word)
        time.sleep(2)
        gap = max(stream.gap_s(since) for stream in streams)
        print(f"{word}: {gap:.2f} s without an answer")
        check(gap < LIMIT_S, f"{word}: {gap:.2f} s without an answer")
        honest_again(near, nodes)
    for stream in streams:
        stream.stop()
