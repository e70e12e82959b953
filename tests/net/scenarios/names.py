"""Names without systemd-resolved: resolv.conf, dig and glibc agree; nobody outside gets an answer;
what others write is followed, and what was there comes back after any death.

    laptop ── internet ── db
      upstream ──┤└── coord (with relay)
                 └── outsider
"""

import os
import signal
import threading
import time

from lab.command import check, wait_until
from lab.warren import coordinator, join

TIMEOUT_S = 120

ZONE = "lab.internal"


def dig(ns, name, kind="A", *options, server=None):
    """The answers' data, sorted, and the rcode."""
    said = ns.run("dig", *([f"@{server}"] if server else []), "+tries=1", "+time=3", name, kind, *options,
                  expect=None).stdout
    rcode = said.split("status: ")[1].split(",")[0] if "status: " in said else "none"
    answers = said.split(";; ANSWER SECTION:\n")[1].split("\n\n")[0].splitlines() if "ANSWER SECTION" in said else []
    return sorted(line.split(None, 4)[4] for line in answers), rcode


def glibc(ns, name, database="ahosts"):
    """What the C library says: addresses of a name, or names of an address."""
    said = ns.run("getent", database, name, expect=None).stdout.split("\n")
    return sorted({line.split()[0 if database != "hosts" else 1] for line in said if line})


def upstream(lab, ns):
    """Somebody's dnsmasq, that knows example.test."""
    log = ns.start("upstream", "dnsmasq", "--keep-in-foreground", "--no-hosts", "--no-resolv", "--log-queries",
                   "--log-facility=-", "--address=/www.example.test/192.0.2.7", "--address=/www.example.test/2001:db8::7",
                   "--local=/test/", "--local=/internal/", "--txt-record=big.example.test," + ",".join(["x" * 200] * 12),
                   f"--listen-address={ns.address(4)}", "--bind-interfaces", "--user=root", "--pid-file=", "--conf-file=/dev/null")
    wait_until("dnsmasq answers", lambda: dig(ns, "www.example.test", server=ns.address(4))[0] == ["192.0.2.7"])
    return log


def agree(laptop, db):
    """dig and the C library on NAME, NAME.NETWORK.internal, reverse, v4 and v6."""
    ns, v4, v6 = laptop.ns, db.address(4), db.address(6)
    wait_until("the name of db is known", lambda: dig(ns, f"db.{ZONE}")[0] == [v4], 5)
    for name in (f"db.{ZONE}", f"DB.{ZONE}", "db"):
        check(dig(ns, name, "A", "+search") == ([v4], "NOERROR"), f"{name} A: {dig(ns, name, 'A', '+search')}")
        check(dig(ns, name, "AAAA", "+search") == ([v6], "NOERROR"), f"{name} AAAA: {dig(ns, name, 'AAAA', '+search')}")
        check(glibc(ns, name) == sorted([v4, v6]), f"glibc: {name}: {glibc(ns, name)}")
    for address in (v4, v6):
        said = ns.run("dig", "+short", "-x", address).stdout.split()
        check(said == [f"db.{ZONE}."], f"dig -x {address}: {said}")
        check(glibc(ns, address, "hosts") == [f"db.{ZONE}"], f"glibc: {address}: {glibc(ns, address, 'hosts')}")
    check(dig(ns, f"laptop.{ZONE}")[0] == [laptop.address()], "laptop does not know itself")
    check(dig(ns, f"nobody.{ZONE}")[1] == "NXDOMAIN", f"nobody: {dig(ns, f'nobody.{ZONE}')}")
    check(dig(ns, f"db.{ZONE}", "TXT") == ([], "NOERROR"), f"db TXT: {dig(ns, f'db.{ZONE}', 'TXT')}")
    check(dig(ns, f"db.{ZONE}", "A", "+tcp")[0] == [v4], "no answer over TCP")


def forwards(ns):
    check(dig(ns, "www.example.test")[0] == ["192.0.2.7"], f"forwarded: {dig(ns, 'www.example.test')}")
    check(dig(ns, "www.example.test", "AAAA")[0] == ["2001:db8::7"], "forwarded: no v6")
    check(glibc(ns, "www.example.test") == ["192.0.2.7", "2001:db8::7"], "glibc does not get what is forwarded")
    big = dig(ns, "big.example.test", "TXT")[0]
    check(len(big) == 1 and len(big[0]) > 2400, f"a long answer: {len(big)}")


def scenario(lab):
    coord = coordinator(lab)
    server, laptop_ns, outsider = lab.server("upstream"), lab.server("laptop"), lab.server("outsider")
    original = f"# by hand\nnameserver {server.address(4)}\nsearch home.test\noptions timeout:2\n"
    laptop_ns.own_files(original)
    asked = upstream(lab, server)
    laptop, db = join(lab, coord, laptop_ns, lab.server("db"))
    agree(laptop, db)
    forwards(laptop_ns)
    print(laptop_ns.read("/etc/resolv.conf"), laptop.status()["health"])
