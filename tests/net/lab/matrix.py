"""The matrix of networks: a home of every kind, twice, and what a pair of them allows.

    left-KIND ── home ── internet ── home ── right-KIND
                            ├── coord (with relay; v4 and v6, known by name)
                            └── proxy (tinyproxy, for P)

    none … P   the routers of lab/nat.py, v4 only
    v6         a stateful firewall, v6 only
    double     a router A behind a router A
"""

import concurrent.futures
import itertools
import os

from .command import tool, wait_until
from .warren import Coordinator, Node

KINDS = ("none", "A", "B", "C", "D", "E", "U", "P", "v6", "double")
SIDES = ("left", "right")
COORDINATOR = "coord.example"
PROXY_PORT = 8888

HARD = ("B", "E")      # a mapping that nobody can foresee
NO_UDP = ("U", "P")
# A hard mapping is no obstacle to who lets in what comes from an address that it has sent to.
LETS_IN = ("C", "D")

CELLS = tuple(itertools.combinations_with_replacement(KINDS, 2))


def why_relayed(left, right):
    """The reason that status must give for a relayed path; None where a direct one is possible."""
    if left in NO_UDP or right in NO_UDP:
        return "udp-blocked"
    if (left == "v6") != (right == "v6"):
        return "no-family"
    if left in HARD and right in HARD:
        return "mapping"
    return None


def must_guess(left, right):
    """Whether a direct path needs a port that can only be guessed."""
    if why_relayed(left, right):
        return False
    return any(a in HARD and b not in LETS_IN for a, b in ((left, right), (right, left)))


def proxy_server(lab):
    """A CONNECT proxy on a server of its own; its namespace."""
    server = lab.server("proxy")
    path = "/run/tinyproxy.conf"
    with open(path, "w", encoding="ascii") as file:
        file.write(f"Port {PROXY_PORT}\nListen {server.address(4)}\nTimeout 600\nMaxClients 100\n"
                   "ConnectPort 443\nLogLevel Connect\n")
    server.start("tinyproxy", tool("tinyproxy"), "-d", "-c", path)
    return server


def named_coordinator(lab, **options):
    """A coordinator that is reached by v4 and by v6. This run has mounts of its own, so the host's file
    stays as it is."""
    server = lab.server("coord", **options)
    with open("/run/hosts", "w", encoding="ascii") as hosts:
        hosts.write(f"127.0.0.1 localhost\n{server.address(4)} {COORDINATOR}\n{server.address(6)} {COORDINATOR}\n")
    lab.mount_file("/run/hosts", "/etc/hosts")
    return Coordinator(lab, server, public=COORDINATOR)


class Matrix:
    """The homes of these kinds on both sides, each with a joined node: nodes[side, kind].
    impair: settings for the line of every home."""

    def __init__(self, lab, kinds=KINDS, impair=None):
        self.lab, self.impair = lab, impair
        self.coord = named_coordinator(lab)
        self.proxy = proxy_server(lab).address(4) if "P" in kinds else None
        self.homes = {(side, kind): self._home(side, kind) for side in SIDES for kind in kinds}
        hosts = {where: home.host("-".join(where).lower()) for where, home in self.homes.items()}
        self.nodes = {where: self._node(where, host) for where, host in hosts.items()}
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(node.up, self.coord.token) for node in self.nodes.values()]:
                done.result()

    def _home(self, side, kind):
        name, options = f"{side}{kind}", {"impair": self.impair}
        if kind == "v6":
            return self.lab.home(name, "none", v4=False, v6=True, **options)
        if kind == "double":
            return self.lab.home(name, "A", behind=self.lab.home(f"{name}outer", "A", **options))
        return self.lab.home(name, kind, proxy=self.proxy, **options)

    def _node(self, where, host):
        env = None
        if where[1] == "P":
            env = {**os.environ, "https_proxy": f"http://{self.proxy}:{PROXY_PORT}"}
        return Node(self.lab, host, env=env)

    def pair(self, cell):
        return self.nodes["left", cell[0]], self.nodes["right", cell[1]]

    def wait_known(self):
        """Until all nodes know each other, and their relay by the transport that fits."""
        names = {node.name for node in self.nodes.values()}
        for (_, kind), node in self.nodes.items():
            want = "tls" if kind in NO_UDP else "udp"
            wait_until(f"{node.name} has its home relay by {want}", lambda n=node, w=want: (
                n.ask("status")["status"]["home_relay"] or {}).get("transport") == w, 20)
            wait_until(f"{node.name} knows all of {sorted(names)}", lambda n=node: names <= {
                n.name, *(peer["name"] for peer in n.ask("status")["status"]["peers"])})
