"""One peer on many cores: two nodes whose flows are spread over lanes, in both directions, through a
new session, and none of their packets overtakes another; next to it a stock peer, which has no lanes.

    alice (2 workers) ── internet ── bob (3 workers)
         go (wireguard-go) ── │ ── left (warrend --standalone)
                            coord
"""

import json
import os
import time

from lab.command import check, wait_until
from lab.warren import Node, coordinator
from lab.wireguard import Device, bracketed

TIMEOUT_S = 240
LENGTH_S = 135  # a session is renewed after 120
FLOWS = 8
RATE = 4000
PORT = 5300


class Flood:
    """Numbered packets of several flows from one place to another."""

    def __init__(self, lab, name, source, target, address, seconds, rate):
        program = lab.built("release/bench/flood")
        self.name = name
        self.receiver = target.start(f"{name}-receive", program, "receive", PORT)
        self.receiver.wait_log("ready")
        self.sender = source.start(f"{name}-send", program, "send", address, PORT, "--flows", FLOWS,
                                   "--payload", 600, "--rate", rate, "--batch", 4, "--seconds", seconds)
        self.seconds = seconds

    def check(self, lost_max):
        check(self.sender.wait(self.seconds + 30) == 0, f"{self.name}: {self.sender.log()}")
        time.sleep(0.5)
        self.receiver.terminate()
        sent = json.loads(self.sender.log())["sent"]
        got = json.loads(self.receiver.log().replace("ready", "", 1))
        print(f"{self.name}: {sent} sent, {got['packets']} arrived, {got['reordered']} overtaken")
        check(got["reordered"] == 0, f"{self.name}: {got['reordered']} packets were overtaken")
        check(sent - got["packets"] <= lost_max, f"{self.name}: {sent - got['packets']} of {sent} lost")


def worker_seconds(node):
    """CPU time of each worker."""
    found, tasks = [], f"/proc/{node.process.popen.pid}/task"
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/stat", encoding="ascii") as file:
            name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
        if name.startswith("worker"):
            fields = rest.split()
            found.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return found


def out_of_order(ns):
    said = ns.run("nstat", "-asz", "TcpExtTCPOFOQueue").stdout
    return int(said.split("TcpExtTCPOFOQueue")[1].split()[0])


def streams(alice, bob):
    """TCP at a rate at which nothing is lost, so that what comes out of order was overtaken."""
    before = [out_of_order(n.ns) for n in (alice, bob)]
    server = bob.ns.start("iperf3-server", "iperf3", "-s", "-1", "--forceflush")
    server.wait_log("Server listening")
    said = json.loads(alice.ns.run("iperf3", "-J", "-c", bob.address(), "-t", 3, "-P", 4, "-b", "3M",
                                   "--bidir", timeout_s=20).stdout)
    server.wait(10)
    check("error" not in said, f"iperf3: {said.get('error')}")
    late = [out_of_order(n.ns) - b for n, b in zip((alice, bob), before)]
    again = said["end"]["sum_sent"]["retransmits"]
    print(f"TCP: {late} segments out of order, {again} sent again")
    check(again or late == [0, 0], f"TCP segments came out of order: {late}")


def stock(lab):
    go = Device(lab, lab.server("go"), "wggo", "go", 51820, ["10.9.1.1"])
    left = Device(lab, lab.server("left"), "wgleft", "warren", 51820, ["10.9.1.2"])
    go.add(left)
    left.add(go, bracketed(go.outer(4), 51820))
    left.check_ping(go, "stock peer")
    floods = [Flood(lab, "to-go", left.ns, go.ns, go.inner[0], 5, RATE),
              Flood(lab, "from-go", go.ns, left.ns, left.inner[0], 5, RATE)]
    for flood in floods:
        flood.check(lost_max=200)


def scenario(lab):
    coord = coordinator(lab)
    alice, bob = (Node(lab, lab.server(name), start=False) for name in ("alice", "bob"))
    for node, workers in ((alice, 2), (bob, 3)):
        node.start("--workers", str(workers))
        node.up(coord.token)
    alice.wait_peer(bob)
    alice.ping(bob, until_direct=True)
    bob.ping(alice, until_direct=True)
    for node, other in ((alice, bob), (bob, alice)):
        wait_until(f"{node.name} has lanes", lambda n=node, o=other: n.peer(o)["lanes"] == 3, 5)
    began = time.monotonic()
    floods = [Flood(lab, "to-bob", alice.ns, bob.ns, bob.address(), LENGTH_S, RATE),
              Flood(lab, "to-alice", bob.ns, alice.ns, alice.address(), LENGTH_S, RATE)]
    streams(alice, bob)
    stock(lab)
    for flood in floods:
        flood.check(lost_max=RATE // 4)
    age = alice.peer(bob)["last_handshake_s"]
    check(age < time.monotonic() - began, f"no new session: the last one is {age} s old")
    for node in (alice, bob):
        used = worker_seconds(node)
        print(f"{node.name}: {used} s of its workers")
        check(min(used) > max(used) / 20, f"{node.name}: a worker had nothing to do: {used}")
        check(node.peer(alice if node is bob else bob)["lanes"] == 3, "lanes did not stay")
