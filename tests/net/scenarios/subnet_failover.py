"""Three routers carry one network: who is used, how fast another takes over, and that no answer takes another way.

    laptop ── internet ──┬── gw1 (weight 200) ──┬── lan ── nas (plain host)
                         ├── gw2 (weight 150) ──┤
                         ├── gw3 (weight 100) ──┘
                         └── coord (with relay)
"""

import signal
import socket
import threading
import time

from lab.command import check, wait_until
from lab.warren import coordinator, join

TIMEOUT_S = 150
LAN, NAS = "10.20.0.0/24", "10.20.0.9"
FAR = "10.99.0.0/16"  # on nobody's link
GAP_S = 3.0
POLICY = {"rules": [{"allow": ["*"], "to": ["*:*"]}, {"allow": ["laptop"], "to": [f"{LAN}:*"]},
                    {"allow": [LAN], "to": ["laptop:*"]}, {"allow": ["gw2"], "to": [f"{FAR}:*"]}]}


def site(lab):
    """The routers' machines, and a host behind them, on one wire."""
    wire = lab.host("lan")
    wire.ip("link add br0 type bridge")
    wire.ip("link set br0 up")
    hosts = [lab.server(f"gw{i}") for i in (1, 2, 3)]
    nas = lab.host("nas")
    for i, (ns, address) in enumerate([*zip(hosts, ("10.20.0.1", "10.20.0.2", "10.20.0.3")), (nas, NAS)]):
        lab.link(ns, "lan", wire, f"p{i}")
        wire.ip(f"link set p{i} master br0")
        ns.ip(f"addr add {address}/24 dev lan")
    nas.ip("route add default via 10.20.0.3")
    return wire, hosts, nas


class Sniffer:
    """Which of the laptop's packets pass the routers' ports to the LAN: [(router, direction)]."""

    def __init__(self, gateways, address):
        self.address, self.seen, self.running = socket.inet_aton(address), {}, True
        for gw in gateways:
            sock = gw.ns.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            sock.bind(("lan", 3))  # both directions
            sock.settimeout(0.2)
            threading.Thread(target=self._read, args=(gw.name, sock), daemon=True).start()

    def _read(self, name, sock):
        while self.running:
            try:
                packet = sock.recv(2048)
            except TimeoutError:
                continue
            if packet[0] >> 4 != 4:
                continue
            for direction, at in (("from laptop", 12), ("to laptop", 16)):
                if packet[at:at + 4] == self.address:
                    self.seen[name, direction] = self.seen.get((name, direction), 0) + 1


class Ticks:
    """
    A TCP connection on which both ends speak 50 times a second, begun anew when it breaks. Who only
    listened would not hear of the end of one whose router translated it: nobody is left who knows.
    """

    def __init__(self, client, server, address):
        self.client, self.address, self.times, self.breaks, self.running = client, address, [], 0, True
        self.listener = server.socket(kind=socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, 7000))
        self.listener.listen(16)
        for work in (self._accept, self._read):
            threading.Thread(target=work, daemon=True).start()

    def _accept(self):
        while self.running:
            peer, _ = self.listener.accept()
            threading.Thread(target=self._tick, args=(peer,), daemon=True).start()

    def _tick(self, peer):
        try:
            while self.running:
                peer.sendall(b"tick\n")
                peer.recv(64)
                time.sleep(0.02)
        except OSError:
            pass

    def _read(self):
        while self.running:
            with self.client.socket(kind=socket.SOCK_STREAM) as client:
                client.settimeout(8)
                try:
                    client.connect((self.address, 7000))
                    client.settimeout(0.02)
                    heard = time.monotonic()
                    while self.running and time.monotonic() < heard + 8:
                        client.sendall(b"tock\n")
                        if self._hears(client):
                            heard = time.monotonic()
                            self.times.append(heard)
                except OSError:
                    pass
                self.breaks += 1
                time.sleep(0.02)

    @staticmethod
    def _hears(client):
        try:
            if client.recv(64):
                return True
        except TimeoutError:
            return False
        raise ConnectionResetError

    def gap_s(self, since):
        """The longest silence since then."""
        times = [since, *[t for t in list(self.times) if t >= since]]
        return max(b - a for a, b in zip(times, times[1:])) if len(times) > 1 else float("inf")

    def flows(self):
        return bool(self.times) and time.monotonic() - self.times[-1] < 0.3


def lines(node):
    return [line for line in node.ask("routes")["routes"]["routes"] if line["prefix"] == LAN]


def carrier(node):
    return next((line["node"] for line in lines(node) if line["used"]), None)


def by_whom(laptop, gateways):
    """Who brought packets to the laptop in the last half second."""
    before = {gw.name: laptop.peer(gw)["rx_bytes"] for gw in gateways}
    time.sleep(0.5)
    return [gw.name for gw in gateways if laptop.peer(gw)["rx_bytes"] > before[gw.name] + 500]


def fail(ticks, laptop, what, act, expected, gap_s=GAP_S):
    wait_until(f"before {what}: data flows", ticks.flows, 10)
    breaks, since = ticks.breaks, time.monotonic()
    act()
    wait_until(f"{what}: {expected} carries it", lambda: (
        carrier(laptop) == expected and ticks.flows() and time.monotonic() > since + 0.5), 15)
    time.sleep(0.3)
    gap = ticks.gap_s(since)
    print(f"{what}: {expected} after a gap of {gap:.2f} s, {ticks.breaks - breaks} connections broken")
    check(gap <= gap_s, f"{what}: nothing came for {gap:.2f} s")


def back(laptop, gw):
    wait_until(f"{gw.name} carries it again", lambda: carrier(laptop) == gw.name, 20)


def try_failover(laptop, gateways, nas, coord, wire):
    gw1, gw2, gw3 = gateways
    wait_until("the highest weight carries it", lambda: carrier(laptop) == "gw1", 10)
    try_cold(laptop, gw1)
    ticks = Ticks(laptop.ns, nas, NAS)
    wait_until("data flows", ticks.flows, 10)
    check(by_whom(laptop, gateways) == ["gw1"], "it does not come by the one with the highest weight")
    fail(ticks, laptop, "killed daemon", lambda: gw1.process.popen.send_signal(signal.SIGKILL), "gw2")
    # Who comes back gets what begins from then on, not what goes well elsewhere.
    breaks = ticks.breaks
    gw1.start()
    back(laptop, gw1)
    check(by_whom(laptop, gateways) == ["gw2"], "a flow that lived was moved")
    check(ticks.breaks == breaks, "a connection broke when a router came back")

    def vanish():
        gw2.ns.ip("link set wan down")
        gw2.ns.ip("link set lan down")

    fail(ticks, laptop, "vanished machine", vanish, "gw1")
    gw2.ns.ip("link set wan up")
    gw2.ns.ip("link set lan up")
    gw2.ns.ip("route replace default via " + gw2.ns.gateway)
    fail(ticks, laptop, "revoked route", lambda: coord.admin("route", "revoke", "gw1", LAN), "gw3")
    coord.admin("route", "approve", "gw1", LAN)
    back(laptop, gw1)
    for gw in gateways:
        laptop.ctl("set", "path", gw.name, "relay")
    laptop.wait_path(gw3, "relay")
    fail(ticks, laptop, "killed daemon, by relay", lambda: gw3.process.popen.send_signal(signal.SIGKILL), "gw1")
    try_lan(ticks, laptop, gw1, gw2, wire)
    ticks.running = False


def try_cold(laptop, gw1):
    """The first packet of all goes to a router that has vanished, of which nobody knows yet."""
    check(not laptop.peer(gw1)["rx_bytes"], "there was traffic before the first packet")
    gw1.ns.ip("link set wan down")
    since = time.monotonic()
    check(laptop.ns.ping(NAS, timeout_s=GAP_S), "the first packet to a router that vanished has no answer")
    print(f"vanished, idle: {carrier(laptop)} after {time.monotonic() - since:.2f} s")
    gw1.ns.ip("link set wan up")
    gw1.ns.ip("route replace default via " + gw1.ns.gateway)
    back(laptop, gw1)


def own_line(gw):
    return next(r for r in gw.ask("routes")["routes"]["routes"] if r["prefix"] == LAN and r["node"] == gw.name)


def try_lan(ticks, laptop, gw1, gw2, wire):
    """A router whose daemon lives, but whose LAN is out of its reach, says so itself."""
    for gw in (gw1, gw2):
        laptop.ctl("set", "path", gw.name, "auto")
        wait_until(f"{gw.name} is well", lambda gw=gw: own_line(gw)["used"], 10)
    wait_until("gw2 stands by", lambda: any(
        r["node"] == "gw2" and (r["why"] or "").startswith("standby") for r in laptop.ask("routes")["routes"]["routes"]), 30)
    fail(ticks, laptop, "cable out of the LAN", lambda: wire.ip("link set p0 down"), "gw2")
    line = own_line(gw1)
    check(not line["used"] and "cable" in line["why"], f"gw1 says of its LAN: {line}")
    check("cable" in "".join(gw1.status()["health"]), f"health: {gw1.status()['health']}")
    wire.ip("link set p0 up")
    back(laptop, gw1)
    check(own_line(gw1)["used"], "gw1 does not say that its LAN is back")
    check(not gw1.status()["health"], f"health: {gw1.status()['health']}")
    # What goes by gw2 still must not stay with it.
    fail(ticks, laptop, "address in the LAN gone", lambda: gw2.ns.ip("addr flush dev lan"), "gw1")
    check("no route" in own_line(gw2)["why"], f"gw2 says of its LAN: {own_line(gw2)}")
    gw2.ns.ip("addr add 10.20.0.2/24 dev lan")
    wait_until("gw2's LAN is back", lambda: own_line(gw2)["used"], 15)


def try_symmetry(laptop, gateways, nas, coord):
    """Without source translation the LAN says by whom its packets leave: the answers go the same way."""
    gw1, _, gw3 = gateways
    gw3.start()
    for gw, weight in zip(gateways, (200, 150, 100)):
        gw.ctl("set", "routes", LAN, "--weight", weight, "--snat", "no")
        laptop.ctl("set", "path", gw.name, "auto")
    back(laptop, gw1)
    laptop.reaches(gw3)
    sniffer = Sniffer(gateways, laptop.address())
    ticks = Ticks(nas, laptop.ns, laptop.address())
    wait_until("the LAN's host reaches the laptop", ticks.flows, 10)
    time.sleep(1)
    print(f"the LAN leaves by gw3, the laptop would by gw1: {sniffer.seen}")
    check(set(sniffer.seen) == {("gw3", "from laptop"), ("gw3", "to laptop")}, f"asymmetric: {sniffer.seen}")
    breaks = ticks.breaks

    def move():
        gw3.process.popen.send_signal(signal.SIGKILL)
        nas.ip("route replace default via 10.20.0.2")  # as the LAN's routers would agree

    fail(ticks, laptop, "killed daemon, own addresses", move, "gw1")
    check(ticks.breaks == breaks, "a connection without source translation broke")
    sniffer.seen = {}
    time.sleep(0.5)
    check(set(sniffer.seen) == {("gw2", "from laptop"), ("gw2", "to laptop")}, f"asymmetric: {sniffer.seen}")
    sniffer.running = ticks.running = False


def try_own(gateways, coord):
    """What a router is given to carry it does not send to another one any more."""
    gw1, gw2, _ = gateways

    def sent():
        return FAR in gw2.ns.run("ip", "-4", "route", "show", "table", "all").stdout

    for gw, used in ((gw1, True), (gw2, False)):
        gw.ctl("set", "routes", f"{LAN},{FAR}")
        coord.admin("route", "approve", gw.name, FAR)
        wait_until(f"gw2 {'uses' if used else 'carries'} {FAR}", lambda used=used: sent() == used, 5)
    for gw, weight in zip(gateways, (200, 150, 100)):
        gw.ctl("set", "routes", LAN, "--weight", weight)


def scenario(lab):
    coord = coordinator(lab)
    wire, hosts, nas = site(lab)
    for host in hosts:
        host.gateway = host.run("ip", "-4", "route", "show", "default").stdout.split()[2]
    coord.set_policy(POLICY)
    laptop, *gateways = join(lab, coord, lab.server("laptop"), *hosts)
    for gw, weight in zip(gateways, (200, 150, 100)):
        gw.ctl("set", "routes", LAN, "--weight", weight)
        coord.admin("route", "approve", gw.name, LAN)
    try_own(gateways, coord)
    try_failover(laptop, gateways, nas, coord, wire)
    try_symmetry(laptop, gateways, nas, coord)
