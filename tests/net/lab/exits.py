"""Exit nodes: who sees whom on the internet, and what leaves beside the tunnel."""

import json
import re
import socket
import threading
import time

from .command import check, wait_until

MARK = "0x5752"
POLICY = {"rules": [{"allow": ["*"], "to": ["*:*"]}, {"allow": ["*"], "to": ["internet:*"]}]}

# What leaves alice's link and is neither the tunnel's nor the link's own business, whatever it is.
WATCH = """
table inet watch {
    counter leaked { }
    counter tunnel { }
    set kinds { typeof meta nfproto . meta l4proto . th dport; size 64; flags dynamic; }
    chain out {
        type filter hook postrouting priority 300; policy accept;
        oifname != "eth0" accept
        meta mark %s counter name tunnel accept
        ip protocol igmp accept
        icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 143 } accept
        %s
        add @kinds { meta nfproto . meta l4proto . th dport }
        counter name leaked
    }
}
"""


class Web:
    """Answers each datagram and connection on port 80 with the address it came from."""

    def __init__(self, ns, kinds=((socket.SOCK_DGRAM, 80), (socket.SOCK_DGRAM, 53), (socket.SOCK_STREAM, 80))):
        self.ns, self.seen = ns, set()
        for family, anything in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            for kind, port in kinds:
                sock = ns.socket(family, kind)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((anything, port))
                serve = self.datagrams if kind == socket.SOCK_DGRAM else self.connections
                threading.Thread(target=serve, args=(sock, port), daemon=True).start()

    def datagrams(self, sock, port):
        while True:
            _, client = sock.recvfrom(2048)
            self.seen.add((client[0], port))
            sock.sendto(client[0].encode(), client)

    def connections(self, sock, port):
        sock.listen(16)
        while True:
            conn, client = sock.accept()
            self.seen.add((client[0], port))
            with conn:
                conn.sendall(client[0].encode())


class Flood:
    """Datagrams to the web and questions to its name server, v4 and v6, whatever becomes of them."""

    def __init__(self, ns, *targets):
        self.ended, self.answers = False, []
        self.threads = [threading.Thread(target=self.send, args=(ns, at, port), daemon=True)
                        for at in targets for port in (80, 53)]
        for thread in self.threads:
            thread.start()

    def send(self, ns, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        while not self.ended:
            with ns.socket(family) as sock:
                sock.settimeout(0.05)
                try:
                    sock.sendto(b"who am I", (address, port))
                    self.answers.append((time.monotonic(), family, sock.recv(64).decode()))
                except OSError:
                    time.sleep(0.02)

    def gap_s(self, since, family=socket.AF_INET):
        """The longest time without an answer since then, until the last one."""
        times = [since] + [at for at, of, _ in self.answers if of == family and at > since]
        return max((b - a for a, b in zip(times, times[1:])), default=time.monotonic() - since)

    def stop(self):
        self.ended = True
        for thread in self.threads:
            thread.join(2)


def who(node, address, timeout_s=1.0):
    """Whom the web sees, by TCP; None: it does not see us."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with node.ns.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect((address, 80))
            return sock.recv(64).decode()
        except OSError:
            return None


def counter(ns, name):
    found = json.loads(ns.run("nft", "-j", "list", "counter", "inet", "watch", name).stdout)
    return next(entry["counter"]["packets"] for entry in found["nftables"] if "counter" in entry)


class Watch:
    """What of alice's leaves beside the tunnel."""

    def __init__(self, node, allowed=""):
        self.node, self.capture = node, None
        node.ns.nft(WATCH % (MARK, allowed))
        wait_until("what leaves without an exit is seen", lambda: counter(node.ns, "leaked") > 0, 5)

    def begin(self):
        """From now on nothing may."""
        self.node.ns.run("nft", "reset", "counters", "table", "inet", "watch")
        self.node.ns.run("nft", "flush", "set", "inet", "watch", "kinds")
        self.capture = self.node.ns.start("capture", "tcpdump", "-n", "-l", "-i", "eth0", "-Q", "out",
                                     "port 53 or port 853 or port 80")

    def check(self, what):
        leaked = counter(self.node.ns, "leaked")
        # The daemon itself asks where its coordinator is.
        lines = [line for line in self.capture.log().splitlines()
                 if re.match(r"^\d\d:\d\d", line) and "coord.test" not in line]
        kinds = self.node.ns.run("nft", "list", "set", "inet", "watch", "kinds").stdout if leaked else ""
        check(leaked == 0 and not lines, f"{what}: {leaked} packets beside the tunnel: {kinds} {lines[:3]}")
        check(counter(self.node.ns, "tunnel") > 0, "the tunnel itself sends nothing")

    def stop(self):
        self.node.ns.run("nft", "delete", "table", "inet", "watch")
        self.capture.kill()


def tables(node):
    return {line.split()[-1] for line in node.ns.run("nft", "list", "tables").stdout.splitlines()}


def exits(node):
    """The exits that the node knows of."""
    report = json.loads(node.ctl("routes", "--json").stdout)
    return {line["node"] for line in report["routes"] if line["exit"] and not line["own"] and line["approved"]}


def carries(node, web, expected):
    """Both families go by that exit."""
    for family in (4, 6):
        at, wanted = web.address(family), expected and expected.ns.address(family, "wan")
        wait_until(f"the web sees {wanted} by v{family}", lambda: who(node, at) == wanted, 10)
