"""Many peers, by bench/handshake and bench/scale, which lay a network of their own.

boringtun is left out: it answers more than a few handshakes a second of one address with cookies,
whatever it could do, so that neither its handshakes nor its memory with sessions can be had so.
"""
import json
import os
import sys

from .contenders import ALL as CONTENDERS
from .measurement import Measurement
from .testbed import BUILD, TOP, check, run

RESPONDERS = ("warrend", "wireguard-go-latest", "wireguard-go")


def figures_of(tool, name, *words, timeout_s):
    """Runs a tool for one contender and returns what it found of it. The tool has a /run of its own."""
    path = os.path.join(BUILD, f"{tool}.json")
    run([sys.executable, "-B", os.path.join(TOP, "bench", tool), "--only", name, "--warrend",
         CONTENDERS["warrend"].program, "--json", path, *words], timeout_s=timeout_s)
    with open(path, encoding="ascii") as file:
        said = json.load(file)
    check(name in said["results"], f"bench/{tool}: {said['errors'].get(name, 'no figures')}")
    return said["results"][name]


class Handshakes(Measurement):
    name, about = "handshakes", "handshakes answered a second of the responder's CPU time"
    figures = ("handshakes",)
    PEERS = 1000

    def suits(self, name):
        return name in RESPONDERS

    def measure(self, pair, tunnel, seconds):
        del tunnel  # stands by
        found = figures_of("handshake", pair.name, "--rounds", 1, "--peers", self.PEERS, "--seconds",
                           max(3, seconds), timeout_s=90 + seconds)
        check(found["completed"] > found["lost"], f"{found['lost']} of the handshakes were lost")
        return {"handshakes": found["per_core"], "handshakes_lost": found["lost"]}


class ManyPeers(Measurement):
    """Takes long and hardly varies: once in a run."""

    name, about = "peers", "memory with 1, 1,000 and 10,000 peers that have a session; idle CPU time with most"
    COUNTS = (1, 1000, 10000)
    figures = (*(f"memory_{n}" for n in COUNTS), "memory_peer", "idle_cpu")
    once = True
    IDLE_FACTOR = 7  # of a measurement's seconds, to see what happens once in ten seconds

    def suits(self, name):
        return name in RESPONDERS

    def measure(self, pair, tunnel, seconds):
        del tunnel
        found = figures_of("scale", pair.name, "--seconds", seconds * self.IDLE_FACTOR, "--peers",
                           *self.COUNTS, timeout_s=300 + seconds * self.IDLE_FACTOR)
        for row in found["rows"]:
            check(row["sessions"] == row["peers"], f"{row['sessions']} of {row['peers']} peers have a session")
        result = {f"memory_{row['peers']}": row["with_sessions"]["rss_kib"] / 1024 for row in found["rows"]}
        return result | {"memory_peer": found["bytes_per_peer"]["with_sessions"]["rss_kib"] / 1024,
                         "memory_peer_without": found["bytes_per_peer"]["without_sessions"]["rss_kib"] / 1024,
                         "idle_cpu": found["rows"][-1]["idle"]["cpu_s_per_minute"]}


ALL = (Handshakes(), ManyPeers())
