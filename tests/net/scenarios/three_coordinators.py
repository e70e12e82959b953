"""Three coordinators share one PostgreSQL: signals cross, one is killed under traffic, and the
database goes away and comes back.

    alice ── router A ── internet ── router A ── bob
                            ├── carol
                            ├── coord1 (alice; killed)
                            ├── coord2 (bob)
                            └── coord3 (carol)
"""

import threading
import time

from lab import cluster
from lab.command import check, wait_until
from lab.warren import Node, Stream

MOVE_LIMIT_S = 5.0
VANISH_LIMIT_S = 8.0
BACK_LIMIT_S = 10.0


def state(node):
    return node.ask("status")["status"]["coordinator"]["state"]


def welcomes(node):
    """How often a coordinator has let it in."""
    return node.process.log().count("coordinator state=ok")


def join(lab, ns, coordinators, at, token):
    """A node that is connected to this one of the coordinators, and knows them all."""
    cluster.only(ns, coordinators, at)
    node = Node(lab, ns)
    node.up(token)
    cluster.any_of(ns, coordinators, at)
    return node


def signals_cross(alice, bob, carol):
    for node, other in ((alice, bob), (alice, carol), (bob, alice), (carol, alice)):
        node.wait_peer(other)
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)


def changes_cross(coordinators, alice):
    """What an admin changes at one is so at all of them."""
    coordinators[2].admin("node", "rename", "carol", "caroline")
    alice.wait_peer("caroline", 3)
    key = coordinators[1].admin("key", "create", "--name", "shared").stdout
    check(key.startswith("warren1-"), "no key")
    for coordinator in coordinators:
        check("shared" in coordinator.admin("key", "list").stdout, "a key is not known everywhere")
        listed = coordinator.admin("node", "list").stdout
        check(listed.count(" online ") == 3, f"not all are online at {coordinator.ns.name}: {listed}")


def one_is_killed(coordinators, alice, carol):
    stream = Stream(alice, Node(alice.lab, alice.lab.bob, "bob", start=False))
    killed = time.monotonic()
    since = time.time()
    before = welcomes(alice)
    coordinators[0].process.kill()
    wait_until("alice has moved", lambda: welcomes(alice) > before, MOVE_LIMIT_S, 0.05)
    # A pair that never spoke: the offers have to cross, and the answer's map be up to date.
    alice.ping("caroline", until_direct=True, timeout_s=10)
    took = time.monotonic() - killed
    check(took < MOVE_LIMIT_S, f"{took:.1f} s until signals passed again")
    check(stream.gap_s(since) < 0.5, f"the tunnel had a gap of {stream.gap_s(since):.2f} s")
    print(f"moved and signalled {took:.2f} s after the kill, gap {stream.gap_s(since):.2f} s")
    return stream


def one_vanishes(coordinators, carol):
    """No reset tells of it, as its machine has lost its cable."""
    before = welcomes(carol)
    coordinators[2].ns.ip("link set wan down")
    gone = time.monotonic()
    wait_until("carol has moved", lambda: welcomes(carol) > before, VANISH_LIMIT_S, 0.05)
    print(f"moved {time.monotonic() - gone:.1f} s after the machine vanished")
    coordinators[2].ns.ip_batch(["link set wan up", "route add default via 198.51.3.1"])


def refused(coordinator):
    start = time.monotonic()
    done = coordinator.admin("key", "create", expect=None, timeout_s=20)
    took = time.monotonic() - start
    check(done.returncode == 1 and "the database" in done.stderr, f"not refused: {done}")
    check(took < 4, f"refused after {took:.1f} s only")
    return done.stderr


def database_leaves(database, coordinators, nodes, stream):
    alive = coordinators[1:]
    since = time.time()
    database.stop()
    for coordinator in alive:
        refused(coordinator)
    for coordinator in alive:
        said = refused(coordinator)
        check("away" in said and "nothing was changed" in said, f"not clear: {said}")
        check("caroline" in coordinator.admin("node", "list").stdout, "reads fail as well")
    # Who was known before may come and go.
    nodes[2].process.kill()
    nodes[2].start()
    wait_until("carol is back", lambda: state(nodes[2]) == "ok", 8)
    nodes[2].reaches(nodes[0])
    for node in nodes:
        check(state(node) == "ok", f"{node.name} lost its coordinator")
    database.start()
    back = time.monotonic()
    for coordinator in alive:
        wait_until("writes are taken again", lambda c=coordinator: c.admin(
            "key", "create", expect=None).returncode == 0, BACK_LIMIT_S, 0.1)
    print(f"writes again {time.monotonic() - back:.1f} s after the database's return")
    check(stream.gap_s(since) < 0.5, f"the tunnel had a gap of {stream.gap_s(since):.2f} s")
    alive[0].admin("node", "rename", "caroline", "carol")
    nodes[0].wait_peer("carol", 3)


def many_join(lab, coordinators):
    """At the same time at two coordinators, with one key that is good once."""
    token = coordinators[1].key()
    nodes = []
    for i in range(6):
        ns = lab.server(f"many{i}")
        cluster.only(ns, coordinators, coordinators[1 + i % 2])
        nodes.append(Node(lab, ns))
    done = [None] * len(nodes)

    def up(i):
        done[i] = nodes[i].up(token, timeout_s=10, expect=None)
    threads = [threading.Thread(target=up, args=(i,)) for i in range(len(nodes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    joined = [d.returncode for d in done].count(0)
    check(joined == 1, f"{joined} nodes came in with a key for one: {[d.stderr for d in done]}")


def scenario(lab):
    database, coordinators = cluster.three(lab)
    lab.bob = lab.home("home2", "A").host("bob")
    alice = join(lab, lab.home("home1", "A").host("alice"), coordinators, coordinators[0],
                 coordinators[0].token)
    token = coordinators[2].key("--reusable", "--group", "trusted")
    bob = join(lab, lab.bob, coordinators, coordinators[1], token)
    carol = join(lab, lab.server("carol"), coordinators, coordinators[2], token)
    signals_cross(alice, bob, carol)
    changes_cross(coordinators, alice)
    stream = one_is_killed(coordinators, alice, carol)
    one_vanishes(coordinators, carol)
    database_leaves(database, coordinators, (alice, bob, carol), stream)
    many_join(lab, coordinators)
    coordinators[0].start()
    wait_until("the killed one knows all", lambda: coordinators[0].admin("node", "list").stdout.count(
        " online ") >= 4, 8)
    stream.stop()
