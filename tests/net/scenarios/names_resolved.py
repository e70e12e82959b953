"""Names with systemd-resolved: per link, by D-Bus; resolvectl, dig and glibc agree, also after
either of them was started anew; resolv.conf is left alone.

    laptop (systemd-resolved) ── internet ── db
                     upstream ──┘└── coord (with relay)
"""

import signal
import time

from lab.command import check, wait_until
from lab.resolvers import Resolved, dig, dnsmasq, glibc
from lab.warren import coordinator, join

TIMEOUT_S = 90
NEEDS = ["systemd-resolved"]


ZONE = "lab.internal"


def agree(laptop, db, resolved):
    ns, v4, v6 = laptop.ns, db.address(4), db.address(6)
    both = sorted([v4, v6])
    wait_until("systemd-resolved knows db", lambda: resolved.query(f"db.{ZONE}") == both, 5)
    for name in ("db", f"db.{ZONE}", f"DB.{ZONE}"):
        said = {"resolvectl": resolved.query(name), "glibc": glibc(ns, name),
                "dig": sorted(dig(ns, name, "A", "+search")[0] + dig(ns, name, "AAAA", "+search")[0]),
                "our server": sorted(dig(ns, name, "A", "+search", server=laptop.address())[0] +
                                     dig(ns, name, "AAAA", "+search", server=laptop.address(6))[0])}
        check(all(answer == both for answer in said.values()), f"{name}: {said}")
    for address in both:
        said = {"resolvectl": resolved.query(address), "glibc": glibc(ns, address, "hosts"),
                "dig": [name.rstrip(".") for name in ns.run("dig", "+short", "-x", address).stdout.split()]}
        check(all(answer == [f"db.{ZONE}"] for answer in said.values()), f"{address}: {said}")
    check(resolved.query(f"nobody.{ZONE}") == [] and dig(ns, f"nobody.{ZONE}")[1] == "NXDOMAIN", "nobody is somebody")


def stays_out(laptop_ns, resolved, asked, before, link):
    """What is not ours goes where it went before, and resolv.conf is not touched."""
    check(laptop_ns.run("readlink", "/etc/resolv.conf").stdout.strip() == "/run/systemd/resolve/stub-resolv.conf",
          "resolv.conf is another")
    check(resolved.query("www.example.test") == ["192.0.2.7"], "what is not ours has no answer")
    check(asked.log().count(ZONE) == before, "a name of ours was asked outside")
    said = resolved.ctl("status", link).stdout
    check(f"DNS Domain: {ZONE}" in said and "-DefaultRoute" in said, f"the link is {said}")


def scenario(lab):
    coord = coordinator(lab)
    server, laptop_ns = lab.server("upstream"), lab.server("laptop")
    asked = dnsmasq("upstream", server, "--address=/www.example.test/192.0.2.7")
    laptop_ns.own_files("")
    resolved = Resolved(laptop_ns, server.address(4))
    check(resolved.query("www.example.test") == ["192.0.2.7"], "systemd-resolved does not work here by itself")
    laptop, db = join(lab, coord, laptop_ns, lab.server("db"))
    agree(laptop, db, resolved)
    before = asked.log().count(ZONE)  # of the time when there was no tunnel yet
    agree(laptop, db, resolved)
    stays_out(laptop_ns, resolved, asked, before, laptop.tun)

    resolved.process.kill()
    laptop_ns.run("rm", "-rf", "/run/systemd/resolve/netif")  # as after a restart of everything
    resolved.start()
    agree(laptop, db, resolved)

    laptop.ctl("set", "names", "no")
    wait_until("names are off", lambda: not resolved.query(f"db.{ZONE}"), 5)
    laptop.ctl("set", "names", "yes")
    agree(laptop, db, resolved)

    # Busy for longer than a question to it may take: it is asked again, not given up.
    resolved.process.popen.send_signal(signal.SIGSTOP)
    laptop.ctl("set", "names", "no")
    laptop.ctl("set", "names", "yes")
    time.sleep(6)
    resolved.process.popen.send_signal(signal.SIGCONT)
    agree(laptop, db, resolved)
    stays_out(laptop_ns, resolved, asked, asked.log().count(ZONE), laptop.tun)
    wait_until("status has nothing to say", lambda: not laptop.status()["health"], 3)

    laptop.process.kill()
    wait_until("a killed daemon's names are gone", lambda: not resolved.query(f"db.{ZONE}"), 2)
    check(resolved.query("www.example.test") == ["192.0.2.7"], "no names at all after a kill")
    coord.process.kill()  # from here on the signed map on disk is all there is
    laptop.start()
    agree(laptop, db, resolved)
    laptop.process.terminate()
    check(not resolved.query(f"db.{ZONE}"), "names stay after SIGTERM")
    stays_clean = resolved.ctl("status").stdout
    check(ZONE not in stays_clean, f"left in systemd-resolved: {stays_clean}")
