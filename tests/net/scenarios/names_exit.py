"""Names behind an exit node: it asks its own servers for those who may use it, and for nobody else;
it tells them none of our names; and afterwards one's own servers are asked again.

    laptop ── internet ── exit, other
        coord (with relay) ──┤ └── home-dns, exit-dns
"""

import contextlib
import socket
import struct

from lab.command import check, wait_until
from lab.resolvers import dig, dnsmasq
from lab.warren import coordinator, join

TIMEOUT_S = 90
NAME = "www.example.test"


def patient(laptop_ns, gate):
    """Many connections of one who may use the exit leave those of others alone."""
    with contextlib.ExitStack() as stack:
        def connect(ns):
            sock = stack.enter_context(ns.socket(kind=socket.SOCK_STREAM))
            sock.settimeout(3)
            sock.connect((gate.address(), 53))
            return sock
        mine = connect(gate.ns)
        theirs = [connect(laptop_ns) for _ in range(80)]
        question = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x06laptop\x03lab\x08internal\x00\x00\x01\x00\x01"
        mine.send(struct.pack("!H", len(question)) + question)
        answer = mine.recv(512)
        check(answer[2:4] == question[:2], f"the exit's own connection ended: {answer}")
        check(theirs[0].recv(512) == b"", "one address may have all connections")


def scenario(lab):
    coord = coordinator(lab)
    home_dns, exit_dns = lab.server("home-dns"), lab.server("exit-dns")
    log = dnsmasq("home-dns", home_dns, f"--address=/{NAME}/192.0.2.1")
    dnsmasq("exit-dns", exit_dns, f"--address=/{NAME}/192.0.2.2")
    laptop_ns, exit_ns, other_ns = lab.server("laptop"), lab.server("exit"), lab.server("other")
    laptop_ns.own_files(f"nameserver {home_dns.address(4)}\n")
    exit_ns.own_files(f"nameserver {exit_dns.address(4)}\n")
    laptop, gate, other = join(lab, coord, laptop_ns, exit_ns, other_ns)
    coord.set_policy({"rules": [{"allow": ["laptop"], "to": ["internet:*"]}, {"allow": ["other"], "to": ["exit:*"]}]})
    gate.ctl("set", "offer-exit", "yes")
    wait_until("the exit is approved", lambda: coord.admin("route", "approve", "exit", "exit",
                                                           expect=None).returncode == 0, 10)
    check(dig(laptop_ns, NAME)[0] == ["192.0.2.1"], "not asked at home while no exit is used")

    laptop.ctl("set", "exit-node", "exit")
    wait_until("the exit's servers are asked", lambda: dig(laptop_ns, NAME, "A", "+time=1")[0] == ["192.0.2.2"], 10)
    before = log.log().count(NAME)
    check(dig(laptop_ns, NAME, "A", "+tcp")[0] == ["192.0.2.2"], "not by TCP")
    check(log.log().count(NAME) == before, "asked at home although an exit is in use")
    check(dig(laptop_ns, "exit.lab.internal")[0] == [gate.address()], "our own names are gone")
    at = {"server": gate.address()}
    check(dig(laptop_ns, "laptop.lab.internal", **at) == ([], "REFUSED"), "the exit tells names of its own")
    check(dig(laptop_ns, "nobody.lab.internal", **at) == ([], "REFUSED"), "the exit tells which names there are")
    check(dig(other_ns, NAME, "A", "+time=1", **at)[1] == "none", "the exit answers who may not use the internet there")
    check(dig(other_ns, NAME, "A", "+time=1", "+tcp", **at)[1] == "none", "and by TCP")
    check(dig(home_dns, NAME, "A", "+time=1", server=exit_ns.address(4, "wan"))[1] == "none", "an open resolver")
    check(dig(exit_ns, "laptop.lab.internal")[0] == [laptop.address()], "the exit itself has no names")

    patient(laptop_ns, gate)

    gate.process.kill()  # nobody can be asked now: not here either
    check(dig(laptop_ns, NAME, "A", "+time=2")[0] == [], "a name was asked beside the exit")
    laptop.ctl("set", "exit-node", "none")
    wait_until("asked at home again", lambda: dig(laptop_ns, NAME, "A", "+time=1")[0] == ["192.0.2.1"], 5)
