"""One daemon that many WireGuard peers shake hands with, in namespaces of its own: what bench/handshake
and bench/scale measure.

    namespace a (bench/handshake_load, many source addresses) -- veth -- namespace b (the daemon)
"""
import json
import os
import shutil
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "net"))

from lab import sandbox  # noqa: E402,F401 (found only after the line above; used by our users)

WARREND = os.path.join(TOP, "build/bin/warrend")
LOAD = os.path.join(TOP, "build/release/bench/handshake_load")
PEERS = os.path.join(TOP, "build/bench")
PORT = 51820
DAEMON = "10.99.0.1"
CLIENTS = "10.99.1.1"  # and the thousand after it
TUN = "wgscale"
TICKS = os.sysconf("SC_CLK_TCK")


def peer_program(name):
    """A contender of bench/peers, or of the path."""
    own = os.path.join(PEERS, name)
    return own if os.access(own, os.X_OK) else shutil.which(name)


def contenders(warrend=WARREND):
    """Name to command line; only what is there."""
    found = {"warrend": [warrend, "--standalone", "--tun", TUN, "--port", str(PORT)]}
    for name, extra in (("wireguard-go-latest", ["-f"]), ("wireguard-go", ["-f"]),
                        ("boringtun-cli", ["-f", "--disable-drop-privileges"])):
        program = peer_program(name)
        if program:
            found[name] = [program, *extra, TUN]
    return found


def sh(*args, stdin=None, timeout=120):
    done = subprocess.run([str(a) for a in args], input=stdin, text=True, capture_output=True,
                          timeout=timeout, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: {done.stderr.strip()}")
    return done.stdout


def inside(side, *args):
    return ["ip", "netns", "exec", side, *(str(a) for a in args)]


def lay_network():
    """Once, inside the sandbox. The clients' block is routed, so that each has an address."""
    for side in "ab":
        sh("ip", "netns", "add", side)
        sh("ip", "-n", side, "link", "set", "lo", "up")
    sh("ip", "link", "add", "veth0", "netns", "a", "type", "veth", "peer", "name", "veth0", "netns", "b")
    for side, address in (("a", "10.99.0.2/24"), ("b", DAEMON + "/24")):
        sh("ip", "-n", side, "addr", "add", address, "dev", "veth0")
        sh("ip", "-n", side, "link", "set", "veth0", "up")
    # Every address of the block is local in a.
    sh("ip", "-n", "a", "route", "add", "local", "10.99.0.0/21", "dev", "lo", "src", "10.99.0.2")
    sh("ip", "-n", "a", "route", "add", DAEMON, "dev", "veth0", "src", "10.99.0.2")
    sh("ip", "-n", "b", "route", "add", "10.99.0.0/21", "via", "10.99.0.2")


class Usage:
    """What a process has used so far."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        self.cpu_s = (int(fields[11]) + int(fields[12])) / TICKS
        self.wakeups = self.run_s = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            folder = f"/proc/{pid}/task/{task}"
            with open(f"{folder}/status", encoding="ascii") as file:
                self.wakeups += next(int(line.split()[1]) for line in file
                                     if line.startswith("voluntary_ctxt"))
            # Nanoseconds where the kernel has them; the ticks above are hundredths of a second.
            with open(f"{folder}/schedstat", encoding="ascii") as file:
                self.run_s += int(file.read().split()[0]) / 1e9


def memory(pid):
    """KiB: resident, proportional, and private to the process."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        rows = {line.split(":")[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}
    return {"rss_kib": rows["Rss"], "pss_kib": rows["Pss"],
            "private_kib": rows["Private_Clean"] + rows["Private_Dirty"]}


class Responder:
    """A contender, started in b; `with` ends it."""

    def __init__(self, command):
        self.log = open(os.path.join("/run", "responder.log"), "w+", encoding="utf-8")
        self.popen = subprocess.Popen(inside("b", *command), stdin=subprocess.DEVNULL,
                                      stdout=self.log, stderr=self.log)
        self.secret = sh("wg", "genkey").strip()
        self.public = sh("wg", "pubkey", stdin=self.secret).strip()

    def __enter__(self):
        try:
            self.wait_device()
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.popen.terminate()
        try:
            self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.log.close()

    @property
    def pid(self):
        return self.popen.pid  # ip execs what it starts

    def wait_device(self):
        deadline = time.monotonic() + 10
        while subprocess.run(inside("b", "wg", "show", TUN), capture_output=True, check=False).returncode:
            if time.monotonic() > deadline or self.popen.poll() is not None:
                self.log.seek(0)
                raise RuntimeError(f"no device: {self.log.read().strip()[-300:]}")
            time.sleep(0.05)

    def configure(self, count):
        """The device with count peers; seconds that wg setconf took."""
        peers = sh(LOAD, "config", count)
        path = "/run/responder.conf"
        with open(path, "w", encoding="ascii") as file:
            file.write(f"[Interface]\nPrivateKey = {self.secret}\nListenPort = {PORT}\n{peers}")
        start = time.monotonic()
        sh(*inside("b", "wg", "setconf", TUN, path))
        spent = time.monotonic() - start
        sh("ip", "-n", "b", "link", "set", TUN, "up")
        return spent

    def sessions(self):
        """Peers that have completed a handshake."""
        text = sh(*inside("b", "wg", "show", TUN, "latest-handshakes"))
        return sum(line.split()[1] != "0" for line in text.splitlines())

    def handshakes(self, peers, count, outstanding=32, seconds=30, sources=1, flood=0):
        """Runs the load; its figures, with the responder's CPU time."""
        load = subprocess.Popen(
            inside("a", LOAD, "run", f"{DAEMON}:{PORT}", self.public, peers, count, outstanding,
                   seconds, CLIENTS, sources, flood),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if load.stdout.readline() != "ready\n":
            raise RuntimeError("handshake_load does not start")
        before = Usage(self.pid)
        text, _ = load.communicate("\n", timeout=seconds + 60)
        after = Usage(self.pid)
        figures = json.loads(text)
        figures["cpu_s"] = after.run_s - before.run_s
        return figures
