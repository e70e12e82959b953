"""A node that has two networks, and changes between them while traffic flows.

    alice ─eth0─ router (Wi-Fi) ──┐
      └────eth1─ router (LTE) ────┴─ internet ── router ── bob
                                        └── coord (with relay)
"""

import time

from .command import check, wait_until
from .warren import Coordinator, Stream, join

INTERVAL_S = 0.005  # between two echoes


class Fast(Stream):
    """Echo 200 times a second: what an event costs is known to five milliseconds."""

    INTERVAL_S = INTERVAL_S

    def first_after(self, since, quiet_s=0.0):
        """Seconds from `since` until answers flow again, None while they do not."""
        after = [at for at, _ in self.answers() if at >= since + quiet_s]
        return after[0] - since if after else None


class Roamer:
    """Alice with networks of these kinds, the first preferred; bob behind a router of his own.

    delay_ms is of each line one way, so the peers are four of it apart and the relay is at two."""

    def __init__(self, lab, kinds=("A", "A"), kind_bob="A", delay_ms=None):
        impair = f"delay_ms={delay_ms}" if delay_ms else None
        self.lab = lab
        self.coord = Coordinator(lab, lab.server("coord"))
        self.homes = [lab.home(name, kind, impair=impair)
                      for name, kind in zip(("wifi", "lte"), kinds)]
        self.far = lab.home("far", kind_bob, impair=impair)
        self.ns = lab.host("alice")
        for number, home in enumerate(self.homes):
            self._plug(number, home)
        for number in range(1, len(self.homes)):
            self.down(number)
        self.route(0, 300)
        self.alice, self.bob = join(lab, self.coord, self.ns, self.far.host("bob"))

    def _plug(self, number, home):
        self.ns.run("ip", "route", "flush", "default", expect=None)
        home.plug(self.ns, dev=f"eth{number}")

    def _address(self, number):
        home = self.homes[number]
        return f"{home.lan}.{10 + home.hosts.index(self.ns)}"

    def route(self, number, metric):
        """The default route by this network, at this metric and no other."""
        self.ns.run("ip", "route", "del", "default", "dev", f"eth{number}", expect=None)
        self.ns.ip(f"route add default via {self.homes[number].lan}.1 dev eth{number} metric {metric}")

    def down(self, number):
        self.ns.ip(f"link set eth{number} down")

    def up(self, number, metric=600):
        """The network is there, with its address; the last thing to come is the route."""
        self.ns.ip(f"link set eth{number} up")
        wait_until("a carrier", lambda: "LOWER_UP" in self.ns.run("ip", "link", "show",
                                                                   f"eth{number}").stdout, 2, 0.002)
        self.route(number, metric)

    def meet(self):
        """Both have a direct path, and so has everything that follows."""
        self.alice.reaches(self.bob)
        self.alice.ping(self.bob, until_direct=True, timeout_s=15)
        self.bob.wait_path(self.alice, "direct")

    def measure(self, change, stream=None, limit_s=8.0):
        """Lets change() happen under traffic. Milliseconds after its end: until answers flow, and
        until the path is direct; the longest gap; and how many echoes were lost."""
        own = stream or Fast(self.alice, self.bob)
        lost = own.lost()
        began = time.time()
        change()
        changed = time.time()
        wait_until("answers after the change", lambda: own.first_after(changed) is not None, limit_s,
                   0.002)
        direct = None
        while time.time() < changed + limit_s:
            peer = self.alice.peer(self.bob) or {}
            if peer.get("path") == "direct" and self.has_moved(peer):
                direct = time.time()
                break
            time.sleep(0.005)
        time.sleep(0.1)
        result = {"answers_ms": 1e3 * own.first_after(changed), "gap_ms": 1e3 * own.gap_s(began),
                  "lost": own.lost() - lost,
                  "direct_ms": None if direct is None else 1e3 * (direct - changed)}
        if stream is None:
            own.stop()
        return result

    def has_moved(self, peer):
        """Whether a path that is called direct is one of the present network."""
        del peer
        seen = self.bob.peer(self.alice) or {}
        preferred = min(range(len(self.homes)), key=self._metric)
        return (seen.get("endpoint") or "").startswith(self.homes[preferred].public_address() + ":")

    def _metric(self, number):
        words = self.ns.run("ip", "route", "show", "default", "dev", f"eth{number}").stdout.split()
        if not words:
            return 1 << 40
        return int(words[words.index("metric") + 1]) if "metric" in words else 0


def show(name, result):
    direct = result["direct_ms"]
    print(f"{name}: answers after {result['answers_ms']:.0f} ms, longest gap {result['gap_ms']:.0f} ms, "
          f"direct after {'-' if direct is None else f'{direct:.0f}'} ms, {result['lost']} lost")


def check_switch(name, result, gap_ms, direct_ms):
    show(name, result)
    check(result["gap_ms"] <= gap_ms, f"{name}: {result['gap_ms']:.0f} ms without an answer")
    check(result["direct_ms"] is not None and result["direct_ms"] <= direct_ms,
          f"{name}: direct again after {result['direct_ms']} ms")
