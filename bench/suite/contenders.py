"""What is compared. Every contender says why it is not here, lays its tunnel over a pair, and names
its version. The order is that of the tables."""
import os
import shutil

from . import mesh
from .testbed import BUILD, INNER, OTHER, OUTER, TOP, Device, check, run, wait_until

PORT = 51899


class Tunnel:
    """What was laid: the daemons by role, and where the far end is."""

    def __init__(self, processes, target=INNER["b"]):
        self.processes, self.target = processes, target


class Contender:
    """A program to run at both ends. Subclasses set `name`, `about`, `program` and lay()."""

    name = about = program = None
    default = True  # takes part when nobody asks for it by name
    quick = True  # in a quick run as well

    def missing(self):
        """Why it cannot take part; None when it can."""
        if self.program and not self.path():
            return f"no {self.program} here"
        return None

    def path(self):
        found = self.program if os.path.isabs(self.program) else shutil.which(self.program)
        return found if found and os.access(found, os.X_OK) else None

    def version(self):
        return None


class Veth(Contender):
    name, about = "veth", "no tunnel: the cable itself"

    def lay(self, pair):
        return Tunnel({}, OUTER["b"])


class Probe(Contender):
    """The yardstick: bench/probe.c."""

    name, about = "probe", "a minimal tunnel with offloads, the fastest cipher here and a fixed key"
    program = os.path.join(TOP, "build/release/bench/probe")
    cipher = ()

    def lay(self, pair):
        ends = {s: pair.start(s, s, self.program, pair.tun[s], OUTER[s], OUTER[OTHER[s]], PORT, *self.cipher)
                for s in "ab"}
        return laid(pair, ends)


class ProbeIpsecMb(Probe):
    name, about = "probe-ipsec-mb", "the same with libipsec-mb, whatever is fastest"
    cipher = ("ipsec-mb",)
    default = False


class ProbeNoCipher(Probe):
    name, about = "probe-nocipher", "the same without encryption"
    cipher = ("none",)
    default = False


class Engine(Contender):
    name, about = "engine", "warrend's packet engine alone, fixed keys"
    program = os.path.join(TOP, "build/release/bench/engine")
    default = False

    def lay(self, pair):
        ends = {s: pair.start(s, s, self.program, pair.tun[s], PORT, f"{OUTER[OTHER[s]]}:{PORT}", s)
                for s in "ab"}
        return laid(pair, ends)


class WireGuard(Contender):
    """A userspace WireGuard steered by wg(8)."""

    def command(self, tun):
        raise NotImplementedError

    def lay(self, pair):
        ends = {s: Device(pair.bed, pair.side[s], pair.tun[s], self.command(pair.tun[s]), PORT,
                          inner=[INNER[s]]) for s in "ab"}
        for s in "ab":
            ends[s].add(ends[OTHER[s]], endpoint=f"{OUTER[OTHER[s]]}:{PORT}")
        return Tunnel({"sender": ends["a"].process, "receiver": ends["b"].process})


class Warrend(WireGuard):
    name, about = "warrend", "Warren as a plain WireGuard device (--standalone)"
    program = os.path.join(os.environ.get("WARREN_BIN", os.path.join(TOP, "build/bin")), "warrend")

    def command(self, tun):
        return [self.program, "--standalone", "--tun", tun]

    def version(self):
        return run([self.program, "--version"], expect=None).stdout.strip() or None


class WireGuardGoLatest(WireGuard):
    name, about = "wireguard-go-latest", "the newest wireguard-go, from bench/peers"
    program = os.path.join(BUILD, "wireguard-go-latest")

    def missing(self):
        return None if self.path() else "not built: bench/peers builds it with Go"

    def command(self, tun):
        return [self.program, "-f", tun]

    def version(self):
        return recorded(self.program)


class WireGuardGo(WireGuard):
    name, about, program = "wireguard-go", "Debian's wireguard-go", "wireguard-go"

    def command(self, tun):
        return [self.path(), "-f", tun]

    def version(self):
        return packaged("wireguard-go")


class BoringTun(WireGuard):
    name, about = "boringtun", "boringtun-cli, from bench/peers"
    program = os.path.join(BUILD, "boringtun-cli")

    def missing(self):
        return None if self.path() else "not built: bench/peers builds it with cargo"

    def command(self, tun):
        return [self.program, "-f", "--disable-drop-privileges", tun]

    def version(self):
        return recorded(self.program)


class KernelWireGuard(Contender):
    """No process: the cost of it is in the system's CPU time only."""

    name, about = "kernel", "the kernel's own WireGuard"

    def missing(self):
        run(["ip", "netns", "add", "trial"])
        try:
            tried = run(["ip", "-n", "trial", "link", "add", "wg0", "type", "wireguard"], expect=None)
        finally:
            run(["ip", "netns", "del", "trial"])
        return "this kernel has no WireGuard" if tried.returncode else None

    def lay(self, pair):
        ends = {}
        for s in "ab":
            pair.side[s].ip(f"link add {pair.tun[s]} type wireguard")
            ends[s] = Device(pair.bed, pair.side[s], pair.tun[s], None, PORT, inner=[INNER[s]])
        for s in "ab":
            ends[s].add(ends[OTHER[s]], endpoint=f"{OUTER[OTHER[s]]}:{PORT}")
        return Tunnel({})

    def version(self):
        return f"Linux {os.uname().release}"


class Nebula(Contender):
    """Two hosts that know each other's address; no lighthouse, everything else as delivered."""

    name, about, program = "nebula", "Debian's nebula, its defaults", "nebula"
    CONFIG = ("pki: {{ca: {d}/ca.crt, cert: {d}/{s}.crt, key: {d}/{s}.key}}\n"
              "static_host_map: {{'{other}': ['{outer}:{port}']}}\n"
              "lighthouse: {{am_lighthouse: false}}\n"
              "listen: {{host: 0.0.0.0, port: {port}}}\n"
              "tun: {{dev: {tun}}}\n"
              "firewall: {{outbound: [{{port: any, proto: any, host: any}}],\n"
              "            inbound: [{{port: any, proto: any, host: any}}]}}\n")

    def lay(self, pair):
        folder = f"/run/nebula-{pair.number}"
        os.mkdir(folder)
        run(["nebula-cert", "ca", "-name", "bench", "-out-crt", f"{folder}/ca.crt", "-out-key", f"{folder}/ca.key"])
        ends = {}
        for s in "ab":
            run(["nebula-cert", "sign", "-ca-crt", f"{folder}/ca.crt", "-ca-key", f"{folder}/ca.key", "-name", s,
                 "-ip", f"{INNER[s]}/24", "-out-crt", f"{folder}/{s}.crt", "-out-key", f"{folder}/{s}.key"])
            with open(f"{folder}/{s}.yml", "w", encoding="ascii") as file:
                file.write(self.CONFIG.format(d=folder, s=s, other=INNER[OTHER[s]], outer=OUTER[OTHER[s]],
                                              port=PORT, tun=pair.tun[s]))
            ends[s] = pair.start(s, s, self.path(), "-config", f"{folder}/{s}.yml")
        pair.wait_devices()
        return Tunnel({"sender": ends["a"], "receiver": ends["b"]})

    def version(self):
        return packaged("nebula")


class Tinc(Contender):
    name, about, program = "tinc", "Debian's tinc, its defaults", "tincd"

    def lay(self, pair):
        ends = {}
        folder = {s: f"/run/tinc-{pair.number}{s}" for s in "ab"}
        for s in "ab":
            os.makedirs(f"{folder[s]}/hosts")
            write(f"{folder[s]}/tinc.conf", f"Name = {s}\nInterface = {pair.tun[s]}\n"
                  f"AddressFamily = ipv4\nConnectTo = {OTHER[s]}\n")
            write(f"{folder[s]}/hosts/{s}", f"Address = {OUTER[s]}\nPort = {PORT}\nSubnet = {INNER[s]}/32\n")
            run([self.path(), "-c", folder[s], "-K2048"])
        for s in "ab":
            shutil.copy(f"{folder[s]}/hosts/{s}", f"{folder[OTHER[s]]}/hosts/{s}")
        for s in "ab":
            ends[s] = pair.start(s, s, self.path(), "-c", folder[s], "-D", f"--pidfile={folder[s]}/pid")
        pair.wait_devices()
        pair.address_devices()
        return Tunnel({"sender": ends["a"], "receiver": ends["b"]})

    def version(self):
        return packaged("tinc")


class Mesh(Contender):
    """Two nodes that joined a coordinator; see mesh.py."""

    program = os.path.join(TOP, "build/bin/warrend")
    path_kind, block_udp = "direct", False

    def missing(self):
        if not shutil.which("nft"):
            return "no nft here"
        return None if mesh.available() else "Warren is not built: make"

    def lay(self, pair):
        made = mesh.Mesh(pair, self.path_kind, self.block_udp)
        return Tunnel(made.processes, made.address("b"))

    def version(self):
        return Warrend().version()


class MeshDirect(Mesh):
    name, about = "mesh-direct", "two nodes of a mesh, direct path"


class MeshRelayUdp(Mesh):
    name, about = "mesh-relay-udp", "two nodes of a mesh by the coordinator's relay, UDP"
    path_kind, quick = "relay", False


class MeshRelayTls(Mesh):
    name, about = "mesh-relay-tls", "the same by TLS: nothing of UDP leaves either node"
    path_kind, block_udp, quick = "relay", True, False


ALL = {c.name: c for c in (
    Veth(), ProbeNoCipher(), Probe(), ProbeIpsecMb(), Engine(), Warrend(), MeshDirect(), MeshRelayUdp(), MeshRelayTls(),
    WireGuardGoLatest(), WireGuardGo(), BoringTun(), Nebula(), Tinc(), KernelWireGuard())}


def laid(pair, ends):
    """The tunnel of two programs that only make a device each."""
    pair.wait_devices()
    pair.address_devices()
    return Tunnel({"sender": ends["a"], "receiver": ends["b"]})


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def recorded(program):
    """What bench/peers wrote down about something it built."""
    try:
        with open(program + ".version", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def packaged(name):
    if not shutil.which("dpkg-query"):
        return None
    return run(["dpkg-query", "-W", "-f", "${Version}", name], expect=None).stdout.strip() or None


def lay(contender, pair):
    """Lays a contender's tunnel and sees a packet pass both ways."""
    tunnel = contender.lay(pair)
    wait_until(f"{contender.name} carries a ping", lambda: pair.side["a"].ping(tunnel.target), 15)
    for process in tunnel.processes.values():
        check(process.running(), f"{contender.name} ended: {process.log()[-300:]}")
    return tunnel
