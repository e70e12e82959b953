"""Names without systemd-resolved: resolv.conf, dig and glibc agree; records, wildcards and a domain
of a site with 1:1 mapping; nobody outside gets an answer; what others write is followed, and what
was there comes back after any death.

    laptop ── internet ── office router A ── gw (offers the LAN as 10.77.1.0/24)
      upstream ──┤└── coord (with relay)  └─ ns (dnsmasq: corp.example)
                 └── outsider
"""

import os
import random
import socket
import struct
import threading

from lab.command import check, wait_until
from lab.resolvers import dig, dnsmasq, glibc
from lab.warren import coordinator, join

TIMEOUT_S = 150
ZONE = "lab.internal"
FILE = "/etc/resolv.conf"
SEEN = "10.77.1"


def agree(laptop, gw):
    """dig and the C library on NAME, NAME.NETWORK.internal, reverse, v4 and v6."""
    ns, v4, v6 = laptop.ns, gw.address(4), gw.address(6)
    wait_until("the name of gw is known", lambda: dig(ns, f"gw.{ZONE}")[0] == [v4], 5)
    for name in (f"gw.{ZONE}", f"GW.{ZONE}", "gw"):
        check(dig(ns, name, "A", "+search") == ([v4], "NOERROR"), f"{name} A: {dig(ns, name, 'A', '+search')}")
        check(dig(ns, name, "AAAA", "+search") == ([v6], "NOERROR"), f"{name} AAAA: {dig(ns, name, 'AAAA', '+search')}")
        check(glibc(ns, name) == sorted([v4, v6]), f"glibc: {name}: {glibc(ns, name)}")
    for address in (v4, v6):
        said = ns.run("dig", "+short", "-x", address).stdout.split()
        check(said == [f"gw.{ZONE}."], f"dig -x {address}: {said}")
        check(glibc(ns, address, "hosts") == [f"gw.{ZONE}"], f"glibc: {address}: {glibc(ns, address, 'hosts')}")
    check(dig(ns, f"laptop.{ZONE}")[0] == [laptop.address()], "laptop does not know itself")
    check(dig(ns, f"nobody.{ZONE}")[1] == "NXDOMAIN", f"nobody: {dig(ns, f'nobody.{ZONE}')}")
    check(dig(ns, f"gw.{ZONE}", "TXT") == ([], "NOERROR"), f"gw TXT: {dig(ns, f'gw.{ZONE}', 'TXT')}")
    check(dig(ns, f"gw.{ZONE}", "A", "+tcp")[0] == [v4], "no answer over TCP")


def forwards(ns):
    check(dig(ns, "www.example.test") == (["192.0.2.7"], "NOERROR"), f"forwarded: {dig(ns, 'www.example.test')}")
    check(glibc(ns, "www.example.test") == ["192.0.2.7", "2001:db8::7"], "glibc does not get what is forwarded")
    for options in ((), ("+tcp",)):
        big = dig(ns, "big.example.test", "TXT", *options)[0]
        check(len(big) == 1 and len(big[0]) > 2000, f"a long answer {options}: {big}")
    check(dig(ns, "www.example.test", "A", "+norecurse")[1] in ("REFUSED", "NOERROR"), "without recursion")


def records(coord, ns):
    coord.admin("dns", "add", "wiki", "A", "10.20.0.5")
    coord.admin("dns", "add", "*.apps", "CNAME", "wiki")
    wait_until("the record is known", lambda: dig(ns, f"wiki.{ZONE}")[0] == ["10.20.0.5"], 10)
    check(glibc(ns, f"any.apps.{ZONE}") == ["10.20.0.5"], f"a wildcard: {glibc(ns, f'any.apps.{ZONE}')}")
    check(dig(ns, f"x.apps.{ZONE}")[0] == ["10.20.0.5", f"wiki.{ZONE}."], f"dig: {dig(ns, f'x.apps.{ZONE}')}")
    coord.admin("dns", "remove", "wiki")
    wait_until("the record is gone", lambda: dig(ns, f"wiki.{ZONE}")[1] == "NXDOMAIN", 10)


def renamed(coord, laptop, gw):
    """A node knows its own new name, and those who may reach it do."""
    coord.admin("node", "rename", "laptop", "desk")
    for ns in (laptop.ns, gw.ns):
        at = {"server": gw.address()} if ns is gw.ns else {}
        wait_until(f"the new name is known at {ns.name}", lambda: dig(ns, f"desk.{ZONE}", **at)[0] == [laptop.address()], 3)
        check(dig(ns, f"laptop.{ZONE}", **at)[1] == "NXDOMAIN", f"the old name is still known at {ns.name}")
    said = laptop.ns.run("dig", "+short", "-x", laptop.address()).stdout.split()
    check(said == [f"desk.{ZONE}."], f"reverse: {said}")
    coord.admin("node", "rename", "desk", "laptop")
    wait_until("the old name is back", lambda: dig(laptop.ns, f"laptop.{ZONE}")[0] == [laptop.address()], 3)


def site(coord, laptop, gw, server_ns):
    """corp.example is known by a server in the office, with the addresses of there."""
    real, ns = server_ns.address(4), laptop.ns
    seen = f"{SEEN}.{real.rsplit('.', 1)[1]}"
    log = dnsmasq("corp", server_ns, f"--address=/www.corp.example/{real}", "--address=/out.corp.example/198.18.0.1",
                  f"--host-record=server.corp.example,{real}")
    prefix = real.rsplit(".", 1)[0] + ".0/24"
    gw.ctl("set", "routes", f"{SEEN}.0/24", "--map", f"{prefix}={SEEN}.0/24")
    coord.admin("route", "approve", "gw", "all")
    coord.admin("dns", "split", "corp.example", seen)
    wait_until("the office's server is asked", lambda: dig(ns, "www.corp.example")[1] == "NOERROR", 20)
    check(dig(ns, "www.corp.example")[0] == [seen], f"translated: {dig(ns, 'www.corp.example')}")
    check(dig(ns, "www.corp.example", "A", "+tcp")[0] == [seen], "not translated over TCP")
    check(glibc(ns, "www.corp.example") == [seen], f"glibc: {glibc(ns, 'www.corp.example')}")
    check(ns.ping(seen), "the address of the answer is of no use")
    check(dig(ns, "out.corp.example")[0] == ["198.18.0.1"], "another address was translated")
    said = ns.run("dig", "+short", "-x", seen).stdout.split()
    check(said == ["server.corp.example."], f"dig -x {seen}: {said}")
    check(glibc(ns, seen, "hosts") == ["server.corp.example"], f"glibc: {seen}: {glibc(ns, seen, 'hosts')}")
    check(dig(ns, f"250.{'.'.join(reversed(SEEN.split('.')))}.in-addr.arpa", "PTR")[1] == "NXDOMAIN", "nobody's address has a name")
    check(dig(gw.ns, "www.corp.example", server=gw.address())[0] == [real], "the router itself gets a mapped address")
    return log


def hostile(laptop, outsider, gw):
    """Port 53 is this machine's own; packets made to confuse are dropped or refused."""
    ns, address = laptop.ns, laptop.address()
    outsider.ip(f"route add {address}/32 via {outsider.run('ip', 'route', 'show', 'default').stdout.split()[2]}")
    ns.sysctl("net.ipv4.conf.all.rp_filter=0")
    for asker in (outsider, gw.ns):
        check(dig(asker, f"gw.{ZONE}", "A", "+time=1", server=address)[1] == "none", f"{asker.name} gets an answer")
        check(dig(asker, f"gw.{ZONE}", "A", "+tcp", "+time=1", server=address)[1] == "none", f"{asker.name} gets one by TCP")
    check(dig(outsider, "www.example.test", "A", "+time=1", server=ns.address(4, "wan"))[1] == "none", "an open resolver")
    generator = random.Random(laptop.ns.lab.seed)
    question = b"\x02gw\x03lab\x08internal\x00\x00\x01\x00\x01"
    head = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0)
    with ns.socket() as sock:
        sock.connect((address, 53))
        for packet in (head + b"\xc0\x0c\x00\x01\x00\x01",  # a name that points to itself
                       head + b"\x01a\xc0\x0e" + b"\x00\x01\x00\x01", head[:7], b"", head + b"\x3f" + b"a" * 20,
                       struct.pack("!HHHHHH", 2, 0x8180, 1, 1, 0, 0) + question,  # an answer
                       struct.pack("!HHHHHH", 3, 0x0100, 65535, 65535, 65535, 65535) + question,
                       struct.pack("!HHHHHH", 4, 0x2800, 1, 0, 0, 0) + question):
            sock.send(packet)
        for _ in range(500):
            sock.send(generator.randbytes(generator.randrange(1, 600)))
    with ns.socket(kind=socket.SOCK_STREAM) as sock:
        sock.connect((address, 53))
        sock.send(b"\xff\xff" + b"x" * 5000)
    check(dig(ns, f"gw.{ZONE}")[0] == [gw.address()], "no names after that")
    check(dig(ns, f"gw.{ZONE}", "ANY", "+tcp")[1] in ("NOERROR", "NOTIMP"), "ANY")
    check(dig(ns, "version.bind", "TXT", "-c", "CH")[1] == "REFUSED", "another class")


def spoofed(laptop, liar):
    """A server that answers with wrong ids, for other questions, from elsewhere, and in loops."""
    address, running = liar.address(4), True
    server, elsewhere = liar.socket(), liar.socket()
    server.bind((address, 53))
    server.settimeout(0.2)
    asked = []

    def lie():
        while running:
            try:
                query, who = server.recvfrom(2048)
            except TimeoutError:
                continue
            asked.append((query, who))
            body = query[12:query.index(b"\x00", 12) + 5]
            bad = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x06\x06\x06\x06"
            good = bad[:-4] + bytes([192, 0, 2, 9])

            def answer(ident, question, record, count=1):
                return ident + struct.pack("!HHHHH", 0x8180, 1, count, 0, 0) + question + record
            wrong = bytes([query[0] ^ 1, query[1]])
            server.sendto(answer(wrong, body, bad), who)
            server.sendto(answer(query[:2], body.replace(b"honest", b"liarsx"), bad), who)
            elsewhere.sendto(answer(query[:2], body, bad), who)
            server.sendto(query, who)
            server.sendto(answer(query[:2], b"\xc0\x0c\x00\x01\x00\x01", bad), who)
            server.sendto(answer(query[:2], body, b"\xc0" + bytes([12 + len(body)]) + good[2:]), who)  # loops
            server.sendto(query[:11], who)
            server.sendto(answer(query[:2], body, good), who)
    thread = threading.Thread(target=lie, daemon=True)
    thread.start()
    said = [dig(laptop.ns, f"honest{i}.example.net") for i in range(20)]
    running = False
    thread.join()
    check(all(answer == (["192.0.2.9"], "NOERROR") for answer in said), f"believed a lie: {said}")
    check(len({who[1] for _, who in asked}) > 10, "questions leave from few ports")
    check(len({query[:2] for query, _ in asked}) > 10, "questions have few ids")
    server.close()
    elsewhere.close()


def follows(laptop, server, original):
    """Other programs write resolv.conf, each in its way."""
    ns = laptop.ns
    other = original.replace("home.test", "cafe.test")

    def taken():
        text = ns.read(FILE)
        return text.startswith("# warren:") and f"nameserver {laptop.address()}" in text and "cafe.test" in text
    ns.write(FILE, other)  # as dhclient's script, in place
    wait_until("what was written in place is followed", taken, 3)
    ns.write(FILE + ".new", other.replace("cafe", "train"))
    ns.run("mv", FILE + ".new", FILE)  # as NetworkManager
    wait_until("what was renamed is followed", lambda: "train.test" in ns.read(FILE) and "# warren" in ns.read(FILE), 3)
    check(dig(ns, "www.example.test")[0] == ["192.0.2.7"], "nothing is forwarded any more")

    ns.run("mkdir", "-p", "/run/NetworkManager")
    ns.write("/run/NetworkManager/resolv.conf", original)
    ns.run("ln", "-sfn", "/run/NetworkManager/resolv.conf", FILE)  # as resolvconf: a link from now on
    wait_until("a link is followed", lambda: "home.test" in ns.read(FILE) and "# warren" in ns.read(FILE), 3)
    check(ns.read("/run/NetworkManager/resolv.conf") == original, "the link's target was written to")
    ns.write("/run/NetworkManager/resolv.conf", other)
    wait_until("the link's target is followed", taken, 3)
    return other


def ends(laptop, original):
    """However the daemon ends, what was there is there again within a second."""
    ns, link = laptop.ns, "/run/NetworkManager/resolv.conf"

    def restored():
        now = ns.run("readlink", FILE, expect=None).stdout.strip()
        return ns.read(FILE) == original and now == (link if linked else "")
    for linked in (True, False):
        for death in ("kill", "terminate", "down"):
            if death == "down":
                laptop.ctl("down")
            else:
                getattr(laptop.process, death)()
            wait_until(f"{FILE} is as it was after {death}: {ns.read(FILE)}", restored, 1)
            if death == "down":
                laptop.up()
            else:
                laptop.start()
            wait_until("names are back", lambda: "# warren" in ns.read(FILE), 5)
        if linked:
            ns.run("cp", "--remove-destination", link, FILE)
            wait_until("a file is followed", lambda: "# warren" in ns.read(FILE), 3)
    laptop.ctl("set", "names", "no")
    wait_until("set names no gives it back", restored, 1)
    check(dig(ns, f"gw.{ZONE}", "A", "+time=1", server=laptop.address())[1] == "none", "names are served though they are off")
    laptop.ctl("set", "names", "yes")
    wait_until("names are back", lambda: "# warren" in ns.read(FILE), 5)


def troubles(laptop):
    """A link to nowhere; another server has the port; resolv.conf cannot be written."""
    ns = laptop.ns
    ns.run("ln", "-sfn", "/nowhere/resolv.conf", FILE)
    wait_until("a link to nowhere is replaced", lambda: "# warren" in ns.run("cat", FILE, expect=None).stdout, 3)
    check(dig(ns, f"laptop.{ZONE}")[0] == [laptop.address()], "no names in place of a link to nowhere")
    laptop.ctl("set", "names", "no")
    check(ns.run("readlink", FILE).stdout.strip() == "/nowhere/resolv.conf", "the link to nowhere is not back")
    ns.run("rm", FILE)
    ns.write(FILE, "nameserver 192.0.2.53\n")
    laptop.ctl("set", "names", "yes")
    laptop.ctl("set", "names", "no")
    with ns.socket() as taken:
        taken.bind((laptop.address(), 53))
        laptop.ctl("set", "names", "yes")
        wait_until("status names the port", lambda: any("has port 53" in line for line in laptop.status()["health"]), 5)
        check("# warren" not in ns.read(FILE), "the system asks somebody else's server")
    wait_until("the port is free", lambda: not laptop.status()["health"], 10)
    laptop.ctl("set", "names", "no")
    ns.run("mount", "-o", "remount,bind,ro", "/etc")
    laptop.ctl("set", "names", "yes")
    wait_until("status says so", lambda: any("resolv.conf cannot be written (Read-only file system), names are "
                                             "off; install systemd-resolved" in line for line in laptop.status()["health"]), 5)
    ns.run("mount", "-o", "remount,bind,rw", "/etc")


def scenario(lab):
    coord = coordinator(lab)
    server, laptop_ns, outsider, liar = (lab.server(name) for name in ("upstream", "laptop", "outsider", "liar"))
    office = lab.home("office", "A")
    original = f"# by hand\nnameserver {server.address(4)}\nsearch home.test\noptions timeout:2\n"
    laptop_ns.own_files(original)
    dnsmasq("upstream", server, "--address=/www.example.test/192.0.2.7", "--address=/www.example.test/2001:db8::7",
            "--txt-record=big.example.test," + ",".join(["x" * 200] * 11))
    laptop, gw = join(lab, coord, laptop_ns, office.host("gw"))
    check(not laptop.status()["health"], f"health: {laptop.status()['health']}")
    renamed(coord, laptop, gw)
    coord.set_policy({"rules": [{"allow": ["laptop"], "to": ["gw:*", f"{SEEN}.0/24:*"]}, {"allow": ["gw"], "to": ["laptop:*"]}]})
    agree(laptop, gw)
    forwards(laptop_ns)
    records(coord, laptop_ns)
    site(coord, laptop, gw, office.host("corp"))
    hostile(laptop, outsider, gw)
    other = follows(laptop, server, original)
    ends(laptop, other)
    troubles(laptop)
    laptop_ns.write(FILE, f"nameserver {liar.address(4)}\n")
    wait_until("the liar is asked", lambda: "# warren" in laptop_ns.read(FILE), 5)
    spoofed(laptop, liar)
