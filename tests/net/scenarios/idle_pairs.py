"""Two nodes that have nothing to say to each other send each other nothing, and little to the
coordinator and its relay; then they are back at once: the first packet by the relay, direct a
moment later.

    alice ── router A ── internet ── router A ── bob
                            └── coord (with relay)
"""

import re
import statistics
import time

from lab.command import check, wait_until
from lab.warren import Coordinator, Node

IDLE_S = 5        # configured; what is the case after 90 seconds otherwise
WATCH_S = 15      # nothing in this time
KEEPALIVES_MAX = 12  # each way in that time, to the coordinator and its relay
RETURNS = 2
FIRST_MS = 250    # to the first answer; a relay's round trip here is 40

COUNTERS = """table ip count {
    counter pair { }
    counter others { }
    chain forward {
        type filter hook forward priority -10;
        ip saddr 198.51.2.2 ip daddr 198.51.3.2 counter name pair
        ip saddr 198.51.3.2 ip daddr 198.51.2.2 counter name pair
        ip saddr 198.51.2.2 ip daddr 198.51.1.2 counter name others
        ip saddr 198.51.1.2 ip daddr 198.51.2.2 counter name others
    }
}
"""


def counted(lab):
    out = lab.internet.run("nft", "list", "counters").stdout
    return {name: int(number) for name, number in
            re.findall(r"counter (\w+) \{\s*packets (\d+)", out)}


def first_answer_ms(alice, bob):
    """From the first echo, with nothing sent before, to the first answer."""
    out = alice.ns.run("ping", "-n", "-c", 5, "-i", "0.2", "-W", 3, bob.address(), expect=None).stdout
    found = re.search(r"icmp_seq=(\d+) .*time=([\d.]+) ms", out)
    check(found, "no answer after a rest")
    return 200 * (int(found.group(1)) - 1) + float(found.group(2))


def node(lab, coord, home, name):
    made = Node(lab, home.host(name), start=False)
    path = f"/run/{name}.conf"
    with open(path, "w", encoding="ascii") as file:
        file.write(f"idle = {IDLE_S}\n")
    made.start("--config", path)
    made.up(coord.token)
    return made


def rest(*nodes):
    for one, other in (nodes, nodes[::-1]):
        wait_until(f"{one.name} is idle", lambda o=one, p=other: o.peer(p)["path"] == "idle", 3 * IDLE_S, 0.2)


def cpu_s(made):
    with open(f"/proc/{made.process.popen.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord"))
    homes = [lab.home(name, "A", impair="delay_ms=10") for name in ("home1", "home2")]
    alice, bob = node(lab, coord, homes[0], "alice"), node(lab, coord, homes[1], "bob")
    alice.wait_peer(bob)
    alice.reaches(bob)
    alice.ping(bob, until_direct=True)
    warm = first_answer_ms(alice, bob)
    rest(alice, bob)
    lab.internet.nft(COUNTERS)
    used = cpu_s(alice)
    time.sleep(WATCH_S)
    count, used = counted(lab), cpu_s(alice) - used
    print(f"in {WATCH_S} s idle: {count['pair']} packets between them, {count['others']} to and from "
          f"coordinator and relay, {used:.2f} s of CPU")
    check(count["pair"] == 0, f"{count['pair']} packets between two idle nodes")
    check(count["others"] <= 2 * KEEPALIVES_MAX, f"{count['others']} packets of an idle node")
    firsts, directs = [], []
    for _ in range(RETURNS):
        rest(alice, bob)
        began = time.monotonic()
        echoes = alice.ns.start("echoes", "ping", "-n", "-c", 1, bob.address())
        wait_until("direct again", lambda: alice.peer(bob)["path"] == "direct", 5, 0.005)
        directs.append(1e3 * (time.monotonic() - began))
        echoes.wait()
        rest(alice, bob)
        firsts.append(first_answer_ms(alice, bob))
    print(f"warm {warm:.0f} ms; after a rest first answer {statistics.median(firsts):.0f} ms, direct "
          f"{statistics.median(directs):.0f} ms")
    check(statistics.median(firsts) <= FIRST_MS, f"the first answer after a rest: {firsts} ms")
