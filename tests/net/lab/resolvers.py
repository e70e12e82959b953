"""What asks and answers for names: dig, the C library, dnsmasq and systemd-resolved."""

import os

from .command import check, wait_until
from .world import ROOT

RESOLVED = os.path.join(ROOT, "build/peers/systemd-resolved")

# One bus for one machine of the lab, where only root is.
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow send_type="signal"/><allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>
"""


def dig(ns, name, kind="A", *options, server=None):
    """The answers' data, sorted, and the rcode; "none" when nobody answered."""
    said = ns.run("dig", *([f"@{server}"] if server else []), "+tries=1", "+time=3", name, kind, *options,
                  expect=None).stdout
    rcode = said.split("status: ")[1].split(",")[0] if "status: " in said else "none"
    answers = said.split(";; ANSWER SECTION:\n")[1].split("\n\n")[0].splitlines() if "ANSWER SECTION" in said else []
    return sorted(line.split(None, 4)[4] for line in answers), rcode


def glibc(ns, name, database="ahosts"):
    """What the C library says: addresses of a name, or with "hosts" names of an address."""
    said = ns.run("getent", database, name, expect=None).stdout.split("\n")
    return sorted({line.split()[0 if database != "hosts" else 1] for line in said if line})


def dnsmasq(name, ns, *options, address=None):
    """A name server that knows what the options say and asks nobody."""
    address = address or ns.address(4)
    process = ns.start(name, "dnsmasq", "--keep-in-foreground", "--no-hosts", "--no-resolv", "--log-queries",
                       "--log-facility=-", *options, "--local=/test/", "--local=/internal/", "--local=/arpa/",
                       f"--listen-address={address}", "--bind-interfaces", "--user=root", "--pid-file=",
                       "--conf-file=/dev/null", "--max-cache-ttl=0")
    wait_until(f"{name} answers", lambda: dig(ns, "nobody.test", server=address)[1] == "NXDOMAIN")
    return process


class Resolved:
    """systemd-resolved and a bus, on a machine with files of its own."""

    def __init__(self, ns, upstream):
        self.ns = ns
        ns.write("/etc/dbus-test.conf", BUS)
        ns.write("/etc/systemd/resolved.conf", f"[Resolve]\nDNS={upstream}\nDNSSEC=no\nFallbackDNS=\nLLMNR=no\n"
                 "MulticastDNS=no\n")
        ns.run("sh", "-c", "grep -q '^systemd-resolve:' /etc/passwd || "
               "echo 'systemd-resolve:x:60990:60990::/:/usr/sbin/nologin' >>/etc/passwd; "
               "grep -q '^systemd-resolve:' /etc/group || echo 'systemd-resolve:x:60990:' >>/etc/group")
        ns.run("mkdir", "-p", "/run/systemd/resolve")
        ns.run("chown", "systemd-resolve:systemd-resolve", "/run/systemd/resolve")
        bus = ns.start(f"{ns.name}-bus", "dbus-daemon", "--config-file=/etc/dbus-test.conf", "--nofork", "--nopidfile")
        wait_until("the bus is there", lambda: ns.run("test", "-S", "/run/dbus/system_bus_socket",
                                                     expect=None).returncode == 0)
        check(bus.running(), f"no bus: {bus.log()}")
        self.process = None
        self.start()
        ns.run("ln", "-sf", "/run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf")

    def start(self):
        path = next(p for p in (f"{RESOLVED}/lib/systemd/systemd-resolved",
                                f"{RESOLVED}/usr/lib/systemd/systemd-resolved") if os.path.exists(p))
        self.process = self.ns.start(f"{self.ns.name}-resolved", path, env={**os.environ, "SYSTEMD_LOG_LEVEL": "info"})
        wait_until("systemd-resolved is there", lambda: "Global" in self.ctl("status", expect=None).stdout)

    def ctl(self, *words, **options):
        return self.ns.run(f"{RESOLVED}/usr/bin/resolvectl", "--no-pager", *words, **options)

    def query(self, name):
        """Addresses of a name, or names of an address; [] when there are none."""
        said = self.ctl("query", "--legend=no", name, expect=None)
        lines = [line.split(" -- ")[0].split() for line in said.stdout.strip().splitlines()]
        return sorted(words[-1] for words in lines if words and not words[-1].startswith("(")) \
            if not said.returncode else []
