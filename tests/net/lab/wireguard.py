"""WireGuard devices in the lab, ours and Debian's, both steered by wg(8)."""

import json
import os

from .command import check, run, tool, wait_until


def genkey():
    private = run(["wg", "genkey"]).stdout.strip()
    return private, run(["wg", "pubkey"], stdin=private).stdout.strip()


def bracketed(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Device:
    """One device: kind "warren" is warrend --standalone, "go" is wireguard-go; or the command line of
    another userspace WireGuard; or None where the kernel has made the device already."""

    def __init__(self, lab, ns, tun, kind, port=51820, inner=(), options=()):
        self.lab, self.ns, self.tun, self.kind, self.port = lab, ns, tun, kind, port
        self.inner = list(inner)
        self.private, self.public = genkey()
        if kind == "warren":
            self.process = ns.start(tun, lab.bin("warrend"), "--standalone", "--tun", tun,
                                    "--port", port, *options)
            self.process.wait_log("ready")
        elif kind == "go":
            self.process = ns.start(tun, tool("wireguard-go"), "-f", tun,
                                    env={**os.environ, "LOG_LEVEL": "verbose"})
        else:
            self.process = ns.start(tun, *kind) if kind else None
        if kind != "warren":
            wait_until(f"{tun} answers", lambda: self.wg("show", tun, expect=None).returncode == 0)
        self.set("listen-port", port, "private-key", self.file("key", self.private))
        ns.ip_batch([f"addr add {a}/{128 if ':' in a else 32} dev {tun}" + " nodad" * (":" in a)
                     for a in self.inner] + [f"link set {tun} mtu 1420 up"])

    def outer(self, family=4):
        """The address on the internet, of a server."""
        return self.ns.address(family, "wan")

    def file(self, what, text):
        path = f"/run/{self.tun}.{what}"
        with open(path, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            file.write(text + "\n")
        return path

    def wg(self, *words, **options):
        return self.ns.run("wg", *words, **options)

    def set(self, *words):
        self.wg("set", self.tun, *words)

    def add(self, other, endpoint=None, allowed=None, keepalive=None, psk=None):
        """Makes other a peer; allowed defaults to its inner addresses, which are routed here."""
        words = ["peer", other.public]
        if psk:
            words += ["preshared-key", self.file("psk", psk)]
        if endpoint:
            words += ["endpoint", endpoint]
        if keepalive:
            words += ["persistent-keepalive", keepalive]
        allowed = other.inner if allowed is None else allowed
        self.set(*words, "allowed-ips", ",".join(allowed))
        for prefix in allowed:
            self.ns.ip(f"route replace {prefix} dev {self.tun}")

    def peer(self, other):
        """The line of wg show NAME dump about a peer, as a dict."""
        names = ("psk", "endpoint", "allowed", "handshake", "rx", "tx", "keepalive")
        for line in self.wg("show", self.tun, "dump").stdout.splitlines()[1:]:
            key, *values = line.split("\t")
            if key == other.public:
                found = dict(zip(names, values))
                for name in ("handshake", "rx", "tx"):
                    found[name] = int(found[name])
                return found
        return None

    def check_ping(self, other, what, count=2):
        for address in other.inner:
            check(self.ns.ping(address, count=count, timeout_s=3), f"{what}: no ping to {address}")

    def iperf(self, other, *options):
        """One iperf3 run towards other; returns its JSON's end."""
        server = other.ns.start(f"iperf-{other.tun}", "iperf3", "-s", "-1", "--forceflush")
        server.wait_log("Server listening")
        done = self.ns.run("iperf3", "-c", other.inner[0], "-J", *options, timeout_s=40)
        server.wait()
        return json.loads(done.stdout)["end"]
