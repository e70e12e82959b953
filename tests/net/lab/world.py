"""The lab: namespaces, links and routers around one router called `internet`.

A scenario runs as process 1 of its own process, mount and network namespaces (see tests/net/run),
so whatever happens to it, the kernel removes everything it made.
"""

import os
import random
import threading
import time

from . import nat
from .command import check, run, tool
from .netns import Netns

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


class Lab:
    def __init__(self, log_dir, seed):
        self.log_dir = log_dir
        self.seed = seed
        self.random = random.Random(seed)
        self.processes = []
        self.sites = 0
        self.links = 0
        os.makedirs(log_dir, exist_ok=True)
        self.internet = Netns(self, "internet")
        self.internet.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def log_path(self, name):
        return os.path.join(self.log_dir, f"{name}.log")

    def built(self, path):
        """A program of ours from the build folder."""
        full = os.path.join(os.environ.get("WARREN_BUILD", os.path.join(ROOT, "build")), path)
        check(os.access(full, os.X_OK), f"not built: {full} (make tests)")
        return full

    def bin(self, name):
        folder = os.environ.get("WARREN_BIN", os.path.join(ROOT, "build", "bin"))
        full = os.path.join(folder, name)
        check(os.access(full, os.X_OK), f"not built: {full} (make)")
        return full

    def host(self, name):
        return Netns(self, name)

    def link(self, a, dev_a, b, dev_b):
        """A cable between two namespaces."""
        self.links += 1
        left, right = f"l{self.links}a", f"l{self.links}b"
        run(["ip", "link", "add", left, "type", "veth", "peer", "name", right])
        for ns, temporary, dev in ((a, left, dev_a), (b, right, dev_b)):
            run(["ip", "link", "set", temporary, "netns", ns.name, "name", dev])
            ns.ip_batch([f"link set {dev} up"])

    def impaired_link(self, a, dev_a, b, dev_b, settings):
        """A cable with an impairment router in it; the settings are those of tools/impair.c."""
        box = self.host(f"impair{self.links}")
        self.link(a, dev_a, box, "near")
        self.link(box, "far", b, dev_b)
        for ns, dev in ((a, dev_a), (b, dev_b)):
            # One frame at a time, as on a real wire, not 64 KiB that would be lost as a whole.
            ns.ip(f"link set dev {dev} gso_max_segs 1")
        process = box.start(box.name, self.built("release/tests/net/tools/impair"), "near", "far",
                            f"seed={self.random.getrandbits(32)}", *settings.split(), stdin=True)
        process.wait_log("ready")
        return process

    def attach(self, ns, dev="wan", v4=True, v6=True, impair=None):
        """Connects a namespace to the internet with addresses and default routes of a new site:
        198.51.N.2 and 2001:db8:N::2. Returns the impairment process, if one was asked for."""
        self.sites += 1
        n, far, process = self.sites, f"site{self.sites}", None
        if impair is None:
            self.link(ns, dev, self.internet, far)
        else:
            process = self.impaired_link(ns, dev, self.internet, far, impair)
        near_lines, far_lines = [], []
        if v4:
            far_lines.append(f"addr add 198.51.{n}.1/24 dev {far}")
            near_lines += [f"addr add 198.51.{n}.2/24 dev {dev}",
                           f"route add default via 198.51.{n}.1"]
        if v6:
            far_lines.append(f"addr add 2001:db8:{n}::1/64 dev {far} nodad")
            near_lines += [f"addr add 2001:db8:{n}::2/64 dev {dev} nodad",
                           f"route add default via 2001:db8:{n}::1"]
        self.internet.ip_batch(far_lines)
        ns.ip_batch(near_lines)
        return process

    def server(self, name, **options):
        """A host with public addresses."""
        ns = self.host(name)
        self.attach(ns, **options)
        return ns

    def home(self, name, kind, **options):
        return Home(self, name, kind, **options)

    def mount_file(self, source, target):
        """Puts a file over another one, for this scenario only."""
        run(["mount", "--bind", source, target])

    def stop(self):
        for process in reversed(self.processes):
            if process.running():
                process.popen.kill()
        for process in self.processes:
            process.popen.wait()


class Home:
    """A router of the given NAT kind, with hosts on a bridge behind it.

    lan: the private /24 (three octets); v4, v6: what the provider gives; proxy: the address P may
    reach; impair: settings for the line to the provider; behind: another home, whose LAN is this
    one's provider (a NAT behind a NAT, or a carrier's); lifetime_s: of an idle mapping; habits: more
    of the router, as nat.Habits takes it."""

    def __init__(self, lab, name, kind, lan=None, v4=True, v6=False, proxy=None, impair=None,
                 behind=None, lifetime_s=None, **habits):
        check(kind in nat.KINDS, f"no such NAT: {kind}")
        self.lab, self.name, self.kind, self.v4, self.v6 = lab, name, kind, v4, v6
        self.hosts, self.proxy, self.behind = [], proxy, behind
        self.habits = nat.Habits(**habits)
        self.router = lab.host(f"{name}-router")
        self.router.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self._attach(impair)
        self.lan = lan or (f"203.0.{self.site}" if kind in nat.PUBLIC else f"192.168.{self.site}")
        self.lan6 = f"2001:db8:{self.site}:1"
        self._bridge()
        self._route_inside(kind in nat.PUBLIC)
        self._set_rules()
        if lifetime_s:
            self.router.sysctl(f"net.netfilter.nf_conntrack_udp_timeout={lifetime_s}",
                               f"net.netfilter.nf_conntrack_udp_timeout_stream={lifetime_s}")

    def _attach(self, impair):
        if self.behind is None:
            self.line = self.lab.attach(self.router, v4=self.v4, v6=self.v6, impair=impair)
        else:
            self.lab.sites += 1
            self.line = self.behind.plug(self.router, "wan", impair)
        self.site = self.lab.sites

    def _bridge(self):
        lines = ["link add lan type bridge", "link set lan up"]
        if self.v4:
            lines.append(f"addr add {self.lan}.1/24 dev lan")
        if self.v6:
            lines.append(f"addr add {self.lan6}::1/64 dev lan nodad")
        self.router.ip_batch(lines)

    def _route_inside(self, public):
        if public and self.v4:
            self.lab.internet.ip(f"route add {self.lan}.0/24 via 198.51.{self.site}.2")
        if self.v6:
            self.lab.internet.ip(f"route add {self.lan6}::/64 via 2001:db8:{self.site}::2")

    def _set_rules(self):
        self.router.nft("flush ruleset\n" + nat.rules(self.kind, f"{self.lan}.10", self.proxy,
                                                       self.address(), self.habits))

    def plug(self, ns, dev="eth0", impair=None):
        """Connects a namespace to the LAN: the first gets address .10, which C and D forward to.
        Returns the impairment process, if one was asked for."""
        number, port, process = 10 + len(self.hosts), ns.name[-15:], None
        if impair is None:
            self.lab.link(ns, dev, self.router, port)
        else:
            process = self.lab.impaired_link(ns, dev, self.router, port, impair)
        self.router.ip(f"link set {port} master lan")
        lines = []
        if self.v4:
            lines += [f"addr add {self.lan}.{number}/24 dev {dev}",
                      f"route add default via {self.lan}.1"]
        if self.v6:
            lines += [f"addr add {self.lan6}::{number}/64 dev {dev} nodad",
                      f"route add default via {self.lan6}::1"]
        ns.ip_batch(lines)
        self.hosts.append(ns)
        return process

    def host(self, name):
        """A machine at home."""
        ns = self.lab.host(name)
        self.plug(ns)
        return ns

    def address(self):
        """The router's own towards the provider."""
        if not self.v4:
            return None
        return self.router.address(4, "wan") if self.behind else f"198.51.{self.site}.2"

    def public_address(self):
        """What the internet sees."""
        return self.behind.public_address() if self.behind else self.address()

    def forget_mappings(self):
        """As when the router starts again. Mappings come back with the same ports, unless it is one
        with epochs."""
        if self.habits.epoch is not None:
            self.habits.epoch += 1
            self._set_rules()
        elif self.kind not in nat.PUBLIC:
            self.router.nft("flush set ip nat sent_to\nflush map ip nat mapped\n")
        self.router.run(tool("conntrack"), "-F")
        if self.behind:
            self.behind.forget_mappings()

    def forget_every(self, seconds):
        """Mappings live so long and no longer, however busy they are."""
        def forget():
            while True:
                time.sleep(seconds)
                self.forget_mappings()
        threading.Thread(target=forget, daemon=True).start()
