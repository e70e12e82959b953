"""How long traffic inside the tunnel stops when a path or a relay dies without a word.

Functions only, for whoever has a lab with two nodes: bench/failover is the command.
"""

import threading
import time

from lab.command import wait_until

ECHO_PORT = 7017
INTERVAL_S = 0.01
SETTLED_S = 1.5  # the flow before what happens, and round trips to be learnt from


def echo(node):
    """Sends every datagram that comes through the tunnel back."""
    server = node.ns.socket()
    server.bind((node.address(), ECHO_PORT))

    def serve():
        while True:
            data, peer = server.recvfrom(100)
            server.sendto(data, peer)

    threading.Thread(target=serve, daemon=True).start()


class Flow:
    """Datagrams to the other node's echo() every INTERVAL_S, and when each was answered."""

    def __init__(self, source, target):
        self.answered = []
        self.running = True
        self.socket = source.ns.socket()
        self.socket.connect((target.address(), ECHO_PORT))
        self.socket.settimeout(0.2)
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        due = time.monotonic()
        while self.running:
            try:
                self.socket.send(b"?")
            except OSError:  # unreachable for a moment
                pass
            due += INTERVAL_S
            time.sleep(max(0.0, due - time.monotonic()))

    def _receive(self):
        while self.running:
            try:
                self.socket.recv(100)
                self.answered.append(time.monotonic())
            except OSError:
                pass

    def gap_s(self, since):
        """The longest time without an answer from then to now."""
        times = [at for at in list(self.answered) if at >= since - 0.1] + [time.monotonic()]
        return max((b - a for a, b in zip(times, times[1:])), default=time.monotonic() - since)

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()
        self.socket.close()


def gap_of(source, target, event, seconds=1.5):
    """The gap that event() costs a flow from source to target."""
    flow = Flow(source, target)
    try:
        time.sleep(SETTLED_S)
        since = time.monotonic()
        event()
        time.sleep(seconds)
        return flow.gap_s(since)
    finally:
        flow.stop()


def _anew(*nodes):
    """Forgets what was learnt of paths, bars above all."""
    for mode in ("relay", "auto"):
        for node, other in (nodes, nodes[::-1]):
            node.ctl("set", "path", other.name, mode)


def cut(first, second):
    """nft rules that drop UDP between two addresses: from the first to the second only."""
    return ("table ip cut {\n chain forward { type filter hook forward priority 0;\n"
            f"  ip saddr {first} ip daddr {second} meta l4proto udp drop\n }}\n}}\n")


def cut_both(first, second):
    addresses = f"{{ {first}, {second} }}"
    return cut(addresses, addresses)


def dead_path(lab, alice, bob, rules):
    """One run: the internet gets these rules while both are direct. Seconds without an answer."""
    _anew(alice, bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    alice.wait_path(bob, "direct")
    bob.wait_path(alice, "direct")
    try:
        return gap_of(alice, bob, lambda: lab.internet.nft(rules))
    finally:
        lab.internet.run("nft", "delete", "table", "ip", "cut")


def dead_relay(alice, bob, relays):
    """One run: the relay that carries the conversation is killed, and started again afterwards.
    relays: by name, all that may carry it. Seconds without an answer."""
    name = alice.wait_path(bob, "relay")["relay"]
    seen = {node: node.process.log().count(f"state=registered relay={name}") for node in (alice, bob)}
    try:
        return gap_of(alice, bob, relays[name].process.popen.kill)
    finally:
        relays[name].start()
        for node, count in seen.items():
            wait_until(f"{node.name} is at {name} again", lambda: node.process.log().count(
                f"state=registered relay={name}") > count, 30)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round((len(ordered) - 1) * percent / 100))]


def row(values):
    """What a table shows of some runs' seconds."""
    return {"runs": len(values), "p50_s": percentile(values, 50), "p95_s": percentile(values, 95),
            "max_s": max(values)}
