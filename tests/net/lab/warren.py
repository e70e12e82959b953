"""Warren in the lab: coordinator, relays and nodes, steered by their command lines alone."""

import json
import os
import re
import socket
import threading
import time

from .command import check, run, wait_until

PING_LINE = re.compile(r"pong from (\S+) \((\S+)\) via (direct (\S+)|relay (\S+)) in ([\d.]+)\s*ms")


class Coordinator:
    """warren-coord with its built-in relay. public: the address nodes are told; without one, that
    of the namespace. options: further ones of serve."""

    def __init__(self, lab, ns, public=None, name="lab", pool4=None, options=()):
        self.lab, self.ns, self.name, self.options = lab, ns, name, options
        self.binary = lab.bin("warren-coord")
        self.data = f"/run/{ns.name}-data"
        self.process = None
        words = ["init", "--data", self.data, "--public", public or ns.address(4), "--name", name]
        said = ns.run(self.binary, *words, *(["--pool4", pool4] if pool4 else [])).stdout
        self.token = (said.strip().splitlines() or [""])[-1]
        check(self.token.startswith("warren1-"), f"init printed no token on its last line: {said}")
        self.start()

    def start(self):
        self.process = self.ns.start(self.ns.name, self.binary, "serve", "--data", self.data,
                                     *self.options)
        self.process.wait_log("ready")

    def admin(self, *words, **options):
        """A command to the running coordinator: admin("node", "list")."""
        return self.ns.run(self.binary, *words, "--data", self.data, **options)

    def key(self, *options):
        """A new join token."""
        return self.admin("key", "create", *options).stdout.strip().splitlines()[-1]

    def set_policy(self, policy):
        path = f"/run/{self.ns.name}-policy.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(policy, file)
        self.admin("policy", "set", path)


class Relay:
    """A warren-relay of its own, made known to the coordinator. alt: a second address, so that it
    can tell how NATs behave (RFC 5780)."""

    def __init__(self, coordinator, ns, name, alt=None):
        self.ns, self.name, self.coordinator, self.alt = ns, name, coordinator, alt
        self.secret = f"/run/{name}.secret"
        with open(self.secret, "w", encoding="ascii") as file:
            file.write(os.urandom(16).hex() + "\n")
        os.chmod(self.secret, 0o600)
        self.process = None
        self.start()
        coordinator.admin("relay", "add", name, f"{ns.address(4)}:3478", "--tls-port", "443",
                          "--secret-file", self.secret)

    def start(self):
        address = self.ns.address(4)
        self.process = self.ns.start(self.name, self.ns.lab.bin("warren-relay"), "serve", "--name",
                                     self.name, "--listen", f"{address}:3478", "--tls-listen",
                                     f"{address}:443", "--secret-file", self.secret,
                                     *(["--alt-listen", f"{self.alt}:3479"] if self.alt else []))
        self.process.wait_log("ready")


class Node:
    """warrend in a namespace, and warren speaking to it. Its name in the mesh is the namespace's."""

    def __init__(self, lab, ns, name=None, start=True, env=None):
        self.lab, self.ns, self.name, self.env = lab, ns, name or ns.name, env
        # One folder holds the wg(8) sockets of all devices, so the names differ.
        self.tun = f"w-{self.name}"[:15]
        self.state = f"/run/{self.name}-state"
        self.control = f"/run/{self.name}.sock"
        self.process = None
        if start:
            self.start()

    def start(self, *options):
        self.process = self.ns.start(self.name, self.lab.bin("warrend"), "--state", self.state,
                                     "--socket", self.control, "--tun", self.tun, *options, env=self.env)
        self.process.wait_log("ready")

    def ctl(self, *words, **options):
        return self.ns.run(self.lab.bin("warren"), "--socket", self.control, *words, **options)

    def up(self, token=None, timeout_s=30, **options):
        """Joins; the token goes in by standard input, where no process list shows it."""
        words = ["up", "--hostname", self.name, "--timeout", f"{timeout_s}s"]
        if token is None:
            return self.ctl(*words, timeout_s=timeout_s + 10, **options)
        return self.ctl(*words, "-", stdin=token + "\n", timeout_s=timeout_s + 10, **options)

    def ask(self, verb, **fields):
        """Speaks the local socket's language without the command: for those who ask often. The
        last line of the answer."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(self.control)
            sock.sendall(json.dumps({"verb": verb, **fields}).encode() + b"\n")
            said = b"".join(iter(lambda: sock.recv(65536), b""))
        answer = json.loads(said.splitlines()[-1])
        check(answer["ok"], f"{self.name}: {verb}: {answer.get('error')}")
        return answer

    def status(self):
        status = json.loads(self.ctl("status", "--json").stdout)
        check(status["schema"] == 1, f"status has schema {status['schema']}")
        return status

    def address(self, family=4):
        """Our own overlay address."""
        found = [a for a in self.status()["self"]["addresses"] if (":" in a) == (family == 6)]
        check(found, f"{self.name} has no v{family} overlay address")
        return found[0].split("/")[0]

    def peer(self, other):
        """What status says of another node, None when it does not know it."""
        name = getattr(other, "name", other)
        return next((p for p in self.ask("status")["status"]["peers"] if p["name"] == name), None)

    def wait_peer(self, other, timeout_s=10):
        name = getattr(other, "name", other)
        return wait_until(f"{self.name} knows {name}", lambda: self.peer(name), timeout_s)

    def wait_path(self, other, path, timeout_s=15):
        """Waits until status names this path to the other node, and returns the peer's entry."""
        seen = {}

        def probe():
            seen.update(self.peer(other) or {})
            return seen if seen.get("path") == path else None
        try:
            return wait_until(f"path {path}", probe, timeout_s, 0.1)
        except Exception:
            check(False, f"{self.name} to {getattr(other, 'name', other)}: path is "
                  f"{seen.get('path')} ({seen.get('reason')}), not {path} within {timeout_s} s")

    def wait_home_relay(self, name=None, timeout_s=15):
        def probe():
            home = self.status()["home_relay"] or {}
            return home if home.get("name") and name in (None, home["name"]) else None
        return wait_until(f"{self.name} has home relay {name or 'of any name'}", probe, timeout_s)

    def ping(self, other, count=1, until_direct=False, timeout_s=10, expect=0):
        """warren ping: a list of (kind, where, milliseconds) for the replies."""
        name = getattr(other, "name", other)
        words = ["ping", name, "-c", count, "--timeout", f"{timeout_s}s"]
        if until_direct:
            words = ["ping", name, "--until-direct", "--timeout", f"{timeout_s}s"]
        said = self.ctl(*words, expect=expect, timeout_s=timeout_s * max(1, count) + 10).stdout
        return [("direct" if m.group(4) else "relay", m.group(4) or m.group(5), float(m.group(6)))
                for m in PING_LINE.finditer(said)]

    def reaches(self, other, timeout_s=10):
        """Waits until ICMP echo through the TUN devices is answered."""
        address = other.address()
        wait_until(f"{self.name} reaches {other.name} at {address}",
                   lambda: self.ns.ping(address), timeout_s)


class Stream:
    """Steady ICMP echo through the tunnel, 50 a second, to count what an event costs."""

    INTERVAL_S = 0.02

    def __init__(self, source, target):
        self.process = source.ns.start(f"stream-{source.name}-{target.name}", "ping", "-n", "-D",
                                       "-i", str(self.INTERVAL_S), target.address())
        wait_until("the stream flows", lambda: len(self.answers()) > 10, 10)

    def answers(self):
        """(time, sequence number) of every answer so far."""
        return [(float(at), int(number)) for at, number in
                re.findall(r"^\[([\d.]+)\].*icmp_seq=(\d+) .*time=", self.process.log(), re.M)]

    def gap_s(self, since=0.0):
        """The longest time without an answer, from `since` (time.time()) to now."""
        times = [since] if since else []
        times += [at for at, _ in self.answers() if at >= since] + [time.time()]
        return max((b - a for a, b in zip(times, times[1:])), default=0.0)

    def lost(self):
        numbers = [number for _, number in self.answers()]
        return max(numbers) - len(set(numbers))

    def stop(self):
        self.process.terminate()


def coordinator(lab, name="coord", **options):
    """A coordinator on a public server of its own."""
    return Coordinator(lab, lab.server(name), **options)


def join(lab, coord, *hosts):
    """Nodes on these hosts, joined with the coordinator's first token."""
    nodes = [Node(lab, host) for host in hosts]
    for node in nodes:
        node.up(coord.token)
    for node in nodes:
        for other in nodes:
            if other is not node:
                node.wait_peer(other)
    return nodes


def two_homes(lab, kind_a, kind_b, **options):
    """Coordinator and two homes with a node each: (coordinator, a, b)."""
    coord = coordinator(lab)
    first = lab.home("home1", kind_a, **options).host("alice")
    second = lab.home("home2", kind_b, **options).host("bob")
    return (coord, *join(lab, coord, first, second))


def serve_file(node, path):
    """Answers one HTTP request on port 8080 with a file, which the kernel sends by itself."""
    listener = node.ns.socket(kind=socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((node.address(), 8080))
    listener.listen(1)
    length = f"Content-Length: {os.path.getsize(path)}".encode()

    def answer():
        peer, _ = listener.accept()
        listener.close()
        with peer, open(path, "rb") as file:
            peer.recv(4096)
            peer.sendall(b"HTTP/1.0 200 OK\r\n" + length + b"\r\n\r\n")
            peer.sendfile(file)

    threading.Thread(target=answer, daemon=True).start()
    return f"http://{node.address()}:8080/file"


def transfer(source, target, size_mib=8, timeout_s=60):
    """Fetches a file of random bytes that target serves with curl at source, and compares both;
    returns MiB a second."""
    name = f"/run/file-{source.name}-{target.name}"
    with open(name, "wb") as file:
        file.write(os.urandom(size_mib << 20))
    url = serve_file(target, name)
    start = time.monotonic()
    source.ns.run("curl", "-sSf", "--max-time", timeout_s, "-o", name + ".got", url, timeout_s=timeout_s + 5)
    seconds = time.monotonic() - start
    run(["cmp", name, name + ".got"])
    os.unlink(name)
    os.unlink(name + ".got")
    return size_mib / seconds
