"""What happens to a connection that stands: its path dies, its relay, its network changes, it idles.

Pairs of homes with routers of kind A of their own; several take part at once.
"""
import concurrent.futures
import re
import time

from .testbed import Coordinator, Node, check, wait_until

from lab.mapper import Mapper  # testbed knows where the lab is
from lab.warren import Relay

from . import failover
from .connect_pair import FAILURES, Flow, Pair, Paths

PAIRS = 4
IDLE_S = 100       # a connection ends itself after 90
GAP_S = 1.5        # watched after something happened
RELAYS = ("one", "two")
OPENED = re.compile(r"port-mapping protocol=\S+ external=\S+ after_ms=(\d+)")


class Standing:
    """A network of their own: the pairs, two relays that may be killed, and a coordinator farther away,
    so that its relay is nobody's first choice."""

    def __init__(self, lab, impair):
        self.lab, self.impair, self.mapper = lab, impair, None
        self.coord = Coordinator(lab, lab.server("coord2", impair=impair))
        self.relays = {name: Relay(self.coord, lab.server(name), name) for name in RELAYS}
        self.pairs = [self._pair(number, impair) for number in range(PAIRS)]
        self.shaky = [self._pair(PAIRS, f"{impair} jitter_ms=5 loss=2")]
        for pair in (*self.pairs, *self.shaky):
            failover.echo(pair.right)

    def mapped(self):
        """A node behind a router with miniupnpd, made when it is first asked for."""
        if not self.mapper:
            home = self.lab.home("mapped", "B", impair=self.impair)
            self.mapper = Mapper(home), Node(self.lab, home.host("ev-mapped"))
            self.mapper[1].up(self.coord.token)
        return self.mapper[1]

    def _pair(self, number, impair):
        homes = [self.lab.home(f"{side}ev{number}", "A", impair=impair) for side in ("l", "r")]
        nodes = [Node(self.lab, home.host(f"ev{number}-{side}")) for side, home in zip(("left", "right"), homes)]
        for node in nodes:
            node.up(self.coord.token)
            wait_until(f"{node.name} has a near relay", lambda n=node: (
                n.ask("status")["status"]["home_relay"] or {}).get("name") in RELAYS, 20)
        return Pair(f"event{number}", *nodes, homes)


def all_at_once(pairs, act):
    """act(pair) for all, their results in order."""
    with concurrent.futures.ThreadPoolExecutor(len(pairs)) as pool:
        return list(pool.map(act, pairs))


class Event:
    """`rounds` times with all pairs at once; values are seconds, None for what did not come in time."""

    def __init__(self, name, about, act, together=False):
        self.name, self.about, self.act, self.together = name, about, act, together

    def measure(self, standing, count, progress):
        values, errors = [], []
        while len(values) < count and len(errors) < count:
            try:
                values += self.act(standing) if self.together else all_at_once(
                    standing.pairs, lambda pair: self.act(standing, pair))
            except FAILURES as error:
                errors.append(str(error))
            progress(len(values))
        return values, errors


def dead_path(standing, pair):
    """No UDP between the homes any more, both ways: how long no answer comes."""
    pair.connect()
    table = f"cut{pair.name}"
    rules = failover.cut_both(*(home.public_address() for home in pair.homes)).replace("cut", table, 1)
    try:
        return failover.gap_of(pair.left, pair.right, lambda: standing.lab.internet.nft(rules), GAP_S)
    finally:
        standing.lab.internet.run("nft", "delete", "table", "ip", table, expect=None)


def force(standing, path):
    for pair in standing.pairs:
        for node, other in (pair.nodes(), pair.nodes()[::-1]):
            node.ctl("set", "path", other.name, path)


def relay_killed(standing):
    """The relay that carries the most pairs is killed."""
    force(standing, "relay")
    all_at_once(standing.pairs, lambda pair: pair.flow(0))
    carried = [pair.left.wait_path(pair.right, "relay")["relay"] for pair in standing.pairs]
    victim = max(RELAYS, key=carried.count)
    back = f"state=registered relay={victim}"
    seen = {node: node.process.log().count(back) for pair in standing.pairs for node in pair.nodes()}
    hit = [pair for pair, name in zip(standing.pairs, carried) if name == victim]
    check(hit, f"no pair is carried by a relay that may be killed: {carried}")
    flows = [failover.Flow(*pair.nodes()) for pair in hit]
    try:
        time.sleep(failover.SETTLED_S)
        since = time.monotonic()
        standing.relays[victim].process.kill()
        time.sleep(GAP_S)
        return [flow.gap_s(since) for flow in flows]
    finally:
        for flow in flows:
            flow.stop()
        standing.relays[victim].start()
        force(standing, "auto")
        for pair in standing.pairs:
            for node in pair.nodes():
                wait_until(f"{node.name} is back at {victim}",
                           lambda n=node: n.process.log().count(back) > seen[n], 30)


def loss(standing, pair):
    """Every twentieth packet is lost on each line, once both are up."""
    pair.down()
    pair.up()
    try:
        for home in pair.homes:
            home.line.write("loss=5")
        return pair.flow(8)["direct_s"]
    finally:
        for home in pair.homes:
            home.line.write("loss=0")


def move(host, lan):
    """Another address in the LAN, and the route that went with the old one."""
    old = host.address(4, "eth0")
    new = f"{lan}.{177 if not old.endswith('.177') else 178}"
    host.ip_batch([f"addr del {old}/24 dev eth0", f"addr add {new}/24 dev eth0",
                   f"route add default via {lan}.1"])


def switch(pair):
    """Another address while packets flow: (seconds to the first that arrives, to a direct path)."""
    pair.connect()
    flow, paths, arrived, direct = Flow(pair, 0.005), Paths(*pair.nodes()), {}, None
    try:
        end = time.time() + 0.3
        while time.time() < end:
            flow.step()
            time.sleep(0.001)
        pair.arrivals.take(flow.mark, {})
        move(pair.left.ns, pair.homes[0].lan)
        since, sent = time.time(), len(flow.sent)
        while time.time() < since + 4 and not (direct and arrived):
            flow.step()
            pair.arrivals.take(flow.mark, arrived)
            arrived = {number: at for number, at in arrived.items() if number >= sent}
            if any(kind == "direct" for kind, _, _ in paths.news()):
                direct = time.time()
            time.sleep(0.001)
    finally:
        flow.close()
        paths.close()
    first = min(arrived.values(), default=None)
    return first and first - since, direct and direct - since


class Switch:
    """Two figures of the same runs."""

    name, about = "switch", "another address: data again, and direct again"

    @staticmethod
    def measure(standing, count, progress):
        both, errors = [], []
        while len(both) < count and len(errors) < count:
            try:
                both += all_at_once(standing.pairs, switch)
            except FAILURES as error:
                errors.append(str(error))
            progress(len(both))
        return both, errors


def mapping(standing):
    """A node comes up behind a router that opens ports for whoever asks."""
    node = standing.mapped()
    node.ask("down")
    since = len(node.process.log())
    node.ask("up")
    said = wait_until(f"{node.name} has a port", lambda: OPENED.search(node.process.log()[since:]), 5)
    return [int(said.group(1)) / 1000]


ALL = {event.name: event for event in (
    Event("dead-path", "the direct path dies without a word", dead_path),
    Event("relay-killed", "the relay in use is killed", relay_killed, together=True),
    Event("loss", "direct while 5 % of all packets are lost", loss),
    Switch,
    Event("mapping", "the router opens a port", mapping, together=True),
)}


class Idlers:
    """Pairs that were direct and then had nothing to say: what their first packet takes."""

    def __init__(self, standing):
        self.pairs = standing.pairs
        all_at_once(self.pairs, lambda pair: pair.connect())
        self.since = time.monotonic()

    def values(self):
        """None when they have not idled long enough."""
        if time.monotonic() < self.since + IDLE_S:
            return None
        return [pair.flow(0)["first_s"] for pair in self.pairs]


class Flaps:
    """A pair with jitter and loss and steady traffic, watched all the time for changes of its path."""

    def __init__(self, standing):
        self.pair = standing.shaky[0]
        self.pair.connect(20)
        time.sleep(2)
        self.flow, self.paths = failover.Flow(*self.pair.nodes()), Paths(*self.pair.nodes())
        self.since, self.changes = time.monotonic(), []

    def values(self):
        """Changes an hour."""
        self.changes += self.paths.news()
        self.flow.stop()
        return [len(self.changes) * 3600 / (time.monotonic() - self.since)]
