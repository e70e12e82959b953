"""Networks that differ from the letters in one thing: shared and sequential ports, a carrier's NAT with
and without hairpin, mappings that do not live long, and mappings that change while they are in use.

    outside ── router A ── internet ── carrier (A) ── 100.64.0.0/24 ── routers A ── two homes
    two machines behind one router, which use one port
    routers whose mappings end after 10 and 30 idle seconds; one that changes all ports
"""

import concurrent.futures
import time

from lab.command import CheckFailed, check, wait_until
from lab.warren import Node, Stream, coordinator

TIMEOUT_S = 150
PORT = 41641
GAP_MAX_S = 2.0
IDLE_ANSWER_MAX_S = 2.0  # of the first ping after mappings have ended


def direct(left, right):
    """A path is found, and it is direct at both ends."""
    check(left.ping(right), f"{left.name} does not reach {right.name}")
    for node, other in ((left, right), (right, left)):
        node.wait_path(other, "direct", 15)


def relayed(left, right):
    """They talk, and status says why it is by the relay; which of the reasons is for others to check."""
    check(left.ping(right), f"{left.name} does not reach {right.name}")
    time.sleep(1)
    for node, other in ((left, right), (right, left)):
        peer = node.peer(other)
        check(peer["path"] == "relay" and peer["reason"], f"{node.name} to {other.name}: {peer}")


def idle(left, right, seconds):
    """The mapping has ended when somebody outside wants to talk again."""
    direct(left, right)
    time.sleep(seconds)
    start = time.monotonic()
    check(right.ping(left, timeout_s=5), f"{right.name} does not reach {left.name} after {seconds} s")
    taken = time.monotonic() - start
    check(taken < IDLE_ANSWER_MAX_S, f"{right.name} waited {taken:.2f} s for {left.name}, idle for {seconds} s")
    direct(right, left)


def changing(home, left, right):
    """All mappings change three times, and traffic goes on."""
    direct(left, right)
    stream, gaps = Stream(left, right), []
    for _ in range(3):
        time.sleep(2)
        since = time.time()
        home.forget_mappings()
        time.sleep(4)
        gaps.append(stream.gap_s(since))
    stream.stop()
    print(f"gaps when all ports change: {', '.join(f'{gap:.2f}' for gap in gaps)} s")
    check(max(gaps) < GAP_MAX_S, f"{max(gaps):.2f} s without an answer")
    direct(left, right)


class Nodes:
    """Joined nodes by name."""

    def __init__(self, lab, coord):
        self.lab, self.coord, self.all = lab, coord, {}

    def add(self, home, name, *options):
        node = Node(self.lab, home.host(name), start=False)
        node.start(*options)
        node.up(self.coord.token)
        self.all[name] = node
        return node

    def wait(self):
        names = set(self.all)
        for node in self.all.values():
            wait_until(f"{node.name} knows all others", lambda n=node: names <= {
                n.name, *(peer["name"] for peer in n.ask("status")["status"]["peers"])})
            wait_until(f"{node.name} has its relay by udp", lambda n=node: (
                n.ask("status")["status"]["home_relay"] or {}).get("transport") == "udp", 20)


def build(lab, nodes):
    """What is to be tried: {title: function}."""
    carriers = [lab.home("carrier", "A", lan="100.64.0"),
                lab.home("hairpin", "A", lan="100.64.1", hairpin=True)]
    out = [nodes.add(lab.home(f"out{i}", "A"), f"outside{i}") for i in range(7)]
    inner = [[nodes.add(lab.home(f"{c.name}{i}", "A", behind=c), f"{c.name}-{i}") for i in (1, 2)]
             for c in carriers]
    shared = lab.home("shared", "A")
    sharing = [nodes.add(shared, f"sharing{i}", "--port", PORT) for i in (1, 2)]
    short = {s: nodes.add(lab.home(f"short{s}", "A", lifetime_s=s), f"short{s}") for s in (10, 30)}
    epochs = lab.home("epochs", "A", epoch=1)
    epoch = nodes.add(epochs, "epoch")
    sequential = nodes.add(lab.home("seq", "S"), "sequential")
    everybody = nodes.add(lab.home("everybody", "C"), "everybody")
    return {
        "carrier to outside": lambda: direct(inner[0][0], out[0]),
        "two homes of a carrier with hairpin": lambda: direct(*inner[1]),
        "two homes of a carrier without": lambda: relayed(*inner[0]),
        "one port, first": lambda: direct(sharing[0], out[2]),
        "one port, second": lambda: direct(out[2], sharing[1]),
        "one port, the two": lambda: direct(*sharing),
        "mappings of 10 s": lambda: idle(short[10], out[3], 13),
        "mappings of 30 s": lambda: idle(short[30], out[4], 33),
        "mappings that change": lambda: changing(epochs, epoch, out[5]),
        "the next port, to one that lets in": lambda: direct(sequential, everybody),
    }


def scenario(lab):
    nodes = Nodes(lab, coordinator(lab))
    cases = build(lab, nodes)
    nodes.wait()
    failed = []
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        waiting = {title: pool.submit(case) for title, case in cases.items()}
        for title, done in waiting.items():
            try:
                done.result()
            except CheckFailed as error:
                failed.append(f"{title}: {error}")
    check(not failed, "\n".join(failed))
    print(f"{len(cases)} variants")
