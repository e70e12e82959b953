"""One pair of nodes and what is measured with it: how soon packets arrive, and when the path is direct.

Both ends are on this machine, so one clock tells when a packet was sent and, by the kernel's own
stamp, when it arrived. The path is what the daemon logs, looked at every two milliseconds.
"""
import os
import re
import socket
import threading
import time

from .testbed import CheckFailed, check, wait_until

from lab.matrix import NO_UDP  # testbed knows where the lab is

PACKETS = 128      # that must all arrive: as many as the data plane holds for a peer without a path
SPACING_S = 0.002  # between two and the next two
LATE_S = 2.0       # what has not arrived then, has not
PORT = 7007
SO_TIMESTAMPNS = 35
_STAMP = 16        # bytes: struct timespec
_PATH = re.compile(r"^info path peer=(\S+) kind=(\w+) via=(\S+) reason=(\S*)$", re.M)


class Arrivals:
    """What comes to a node's port: nobody needs to be quick here, the kernel has the times."""

    def __init__(self, node):
        self.socket = node.ns.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind(("0.0.0.0", PORT))
        self.socket.setblocking(False)

    def take(self, mark, found):
        """Adds {number: time} of the packets with this mark; others are thrown away."""
        while True:
            try:
                data, extra, _, _ = self.socket.recvmsg(64, 64)
            except BlockingIOError:
                return
            words = data.decode(errors="replace").split()
            stamp = next((value for _, kind, value in extra if kind == SO_TIMESTAMPNS), None)
            if stamp and len(words) == 2 and words[0] == mark:
                seconds, nanoseconds = (int.from_bytes(stamp[i:i + 8], "little") for i in (0, 8))
                found.setdefault(int(words[1]), seconds + nanoseconds / 1e9)


class Paths:
    """The paths that a node's log tells of, from now on."""

    def __init__(self, node, other):
        self.file, self.name, self.rest = open(node.process.log_path, encoding="utf-8"), other.name, ""
        self.file.seek(0, os.SEEK_END)

    def news(self):
        self.rest += self.file.read()
        whole, newline, self.rest = self.rest.rpartition("\n")
        return [m.groups()[1:] for m in _PATH.finditer(whole + newline) if m.group(1) == self.name]

    def close(self):
        self.file.close()


class Flow:
    """Numbered packets from one node to the other, as soon as its device takes them."""

    marks = 0

    def __init__(self, pair, spacing_s=SPACING_S):
        Flow.marks += 1
        self.mark, self.pair, self.spacing_s = f"f{Flow.marks}", pair, spacing_s
        self.sent, self.next_at = [], 0.0
        self.socket = None

    def _routed(self):
        """Without a route of its own an overlay address would go out by the ordinary way."""
        sock = self.pair.left.ns.socket()
        sock.connect((self.pair.target, PORT))
        if sock.getsockname()[0] != self.pair.own:
            sock.close()
            return False
        self.socket = sock
        return True

    def step(self):
        """Sends the next two packets if they are due."""
        now = time.time()
        if now < self.next_at:
            return
        try:
            if not self.socket and not self._routed():
                return
            for _ in range(2):
                self.socket.send(f"{self.mark} {len(self.sent)}".encode())
                self.sent.append(now)
        except OSError:  # no route at all yet
            return
        self.next_at = max(self.next_at + self.spacing_s, now - self.spacing_s)

    def close(self):
        if self.socket:
            self.socket.close()


class Pair:
    """Two nodes with their homes, whose mappings are forgotten between runs."""

    def __init__(self, name, left, right, homes):
        self.name, self.left, self.right, self.homes = name, left, right, homes
        self.own, self.target = left.address(), right.address()
        self.arrivals = Arrivals(right)
        self.transport = {node: "tls" if home.kind in NO_UDP else "udp" for node, home in zip(self.nodes(), homes)}

    def nodes(self):
        return self.left, self.right

    def close(self):
        self.arrivals.socket.close()

    def down(self):
        """As if they had never met: no session, no path, nothing in the routers."""
        for node in self.nodes():
            node.ask("down")
        for home in self.homes:
            home.forget_mappings()

    def up(self, *nodes):
        """Until these, or both, are at their relay and know of each other."""
        nodes = nodes or self.nodes()
        threads = [threading.Thread(target=node.ask, args=("up",)) for node in nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for node in nodes:
            wait_until(f"{node.name} is at its relay", lambda n=node: (
                n.ask("status")["status"]["home_relay"] or {}).get("transport") == self.transport[n], 12, 0.01)
        if len(nodes) == 2:
            for node, other in (nodes, nodes[::-1]):
                wait_until(f"{node.name} sees {other.name}", lambda n=node, o=other: n.peer(o)["online"], 12, 0.01)

    def flow(self, direct_s, started=None):
        """Sends PACKETS packets and waits until all could have arrived, and so long for a direct path.
        started: when to count from, if not from the first packet."""
        flow, paths, direct = Flow(self), Paths(self.left, self.right), None
        begun, arrived, over = time.time(), {}, False
        try:
            while not over:
                if len(flow.sent) < PACKETS:
                    flow.step()
                now = time.time()
                if not direct and any(kind == "direct" for kind, _, _ in paths.news()):
                    direct = now
                check(flow.sent or now < begun + 10, f"{self.left.name} sends nothing")
                if len(flow.sent) == PACKETS:
                    self.arrivals.take(flow.mark, arrived)
                    over = ((len(arrived) == PACKETS or now > flow.sent[-1] + LATE_S)
                            and (direct or now > flow.sent[0] + direct_s))
                time.sleep(0.001)
        finally:
            flow.close()
            paths.close()
        first = min(arrived.values(), default=None)
        start = started or flow.sent[0]
        return {"first_s": first and first - start, "lost": sorted(set(range(PACKETS)) - set(arrived)),
                "direct_s": direct and direct - flow.sent[0]}

    def warm(self, direct_s):
        """Both are at their relay and have never spoken."""
        self.down()
        self.up()
        return self.flow(direct_s)

    def cold(self):
        """The left one comes up at this moment, with packets for the other already being sent."""
        self.down()
        self.up(self.right)
        wait_until(f"{self.right.name} sees {self.left.name} off",
                   lambda: not self.right.peer(self.left)["online"], 12, 0.01)
        start = time.time()
        thread = threading.Thread(target=self.left.ask, args=("up",))
        thread.start()
        found = self.flow(0, start)
        thread.join()
        return found

    def connect(self, direct_s=8):
        """A fresh direct path."""
        found = self.warm(direct_s)
        check(found["direct_s"], f"{self.name}: no direct path to begin with")


FAILURES = (CheckFailed, OSError, ValueError, KeyError, TypeError)
