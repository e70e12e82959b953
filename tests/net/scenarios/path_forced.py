"""The relay is forced by one side: no packet goes to the peer's address any more, none comes from it
for long, both say why, and nothing is lost. With a direct path forced and blocked, traffic stops and
status says so; with auto again all is as before.

    alice ── router A (packets are captured) ── internet ── router A ── bob
                                                   └── coord (with relay)
"""

import socket
import time

from lab.command import check, wait_until
from lab.packets import UDP, Wire
from lab.warren import Stream, coordinator, join

QUIET_S = 0.3  # until the peer has heard of it
BLOCK = """table ip broken {
    chain forward {
        type filter hook forward priority 0;
        ip saddr { 198.51.2.2, 198.51.3.2 } ip daddr { 198.51.2.2, 198.51.3.2 } meta l4proto udp drop
    }
}
"""


def between(packets, address):
    """Those of UDP that have this address at either end."""
    raw = socket.inet_aton(address)
    return [p for p in packets if p[0] >> 4 == 4 and p[9] == UDP and raw in (p[12:16], p[16:20])]


def check_quiet(line, address, seconds):
    """Nothing goes there and nothing comes from there."""
    line.taken()
    time.sleep(seconds)
    out, came = (between(packets, address) for packets in line.taken())
    check(not out, f"{len(out)} packets went to {address}")
    check(not came, f"{len(came)} packets came from {address}")


def forced_from_the_start(alice, bob, line):
    alice.ctl("set", "path", "bob", "relay")
    line.taken()
    alice.reaches(bob)
    bob.reaches(alice)
    for node, other in ((alice, bob), (bob, alice)):
        wait_until(f"{node.name} says why", lambda n=node, o=other: n.peer(o)["reason"] == "forced", 5)
        check(node.peer(other)["path"] == "relay", f"{node.name} is not relayed")
    time.sleep(1)
    out, came = (between(packets, "198.51.3.2") for packets in line.taken())
    check(not out and not came, f"{len(out)} packets to bob's address and {len(came)} from it")


def forced_on_a_direct_path(alice, bob, line):
    line.taken()
    stream = Stream(alice, bob)
    since = time.time()
    check(all(between(packets, "198.51.3.2") for packets in line.taken()), "nothing was captured")
    alice.ctl("set", "path", "bob", "relay")
    line.taken()
    time.sleep(QUIET_S)
    out, came = (between(packets, "198.51.3.2") for packets in line.taken())
    check(not out, f"{len(out)} packets still went to bob's address")
    check_quiet(line, "198.51.3.2", 3)
    for node, other in ((alice, bob), (bob, alice)):
        peer = node.peer(other)
        check((peer["path"], peer["reason"]) == ("relay", "forced"),
              f"{node.name}: {peer['path']} ({peer['reason']})")
    print(f"moved to the relay: {stream.lost()} lost, longest gap {stream.gap_s(since) * 1000:.0f} ms, "
          f"{len(came)} packets of bob's still came directly")
    check(stream.lost() == 0, f"{stream.lost()} answers were lost on the way to the relay")
    stream.stop()


def forced_direct_and_blocked(lab, alice, bob):
    alice.ctl("set", "path", "bob", "direct")
    alice.wait_path(bob, "direct")
    stream = Stream(alice, bob)
    lab.internet.nft(BLOCK)
    peer = alice.wait_path(bob, "connecting")
    check(peer["reason"], "no reason for a path that is none")
    count = len(stream.answers())
    time.sleep(1)
    check(len(stream.answers()) == count, "a blocked direct path carries traffic")
    lab.internet.run("nft", "delete", "table", "ip", "broken")
    alice.wait_path(bob, "direct", 30)
    stream.stop()


def scenario(lab):
    coord = coordinator(lab)
    home = lab.home("home1", "A")
    alice, bob = join(lab, coord, home.host("alice"), lab.home("home2", "A").host("bob"))
    line = Wire(home.router, "wan")
    forced_from_the_start(alice, bob, line)
    alice.ctl("set", "path", "bob", "auto")
    alice.ping(bob, until_direct=True, timeout_s=15)
    bob.wait_path(alice, "direct")
    forced_on_a_direct_path(alice, bob, line)
    alice.ctl("set", "path", "bob", "auto")
    alice.ping(bob, until_direct=True, timeout_s=15)
    bob.wait_path(alice, "direct")
    forced_direct_and_blocked(lab, alice, bob)
