"""A whole mesh as a contender: two nodes and a coordinator with its built-in relay.

    A (node) ──── veth0 ──── B (node)
        └─veth1─ C (coordinator) ─veth1─┘
"""
import os

from .testbed import Coordinator, Netns, Node, TOP

COORD = "10.99.75.1"
# The blocked network: nothing of UDP leaves by a cable; what is inside the tunnel is no concern.
NO_UDP = """
table inet bench {
	chain out {
		type filter hook output priority 0
		oifname "veth*" meta l4proto udp drop
	}
}
"""
ROLE = {"a": "sender", "b": "receiver"}


def available():
    folder = os.environ.get("WARREN_BIN", os.path.join(TOP, "build/bin"))
    return all(os.access(os.path.join(folder, name), os.X_OK)
               for name in ("warrend", "warren", "warren-coord"))


class Mesh:
    """Joined nodes with a path that was asked for. `processes` has the daemons by their role."""

    def __init__(self, pair, path, block_udp=False):
        self.pair = pair
        server = self._add_server()
        if block_udp:
            for s in "ab":
                pair.side[s].nft(NO_UDP)
        coord = Coordinator(pair.bed, server, name="bench")
        self.nodes = {s: Node(pair.bed, pair.side[s], name=f"{ROLE[s]}{pair.number}") for s in "ab"}
        for node in self.nodes.values():
            node.up(coord.token)
        self.processes = {"coordinator": coord.process,
                          **{ROLE[s]: self.nodes[s].process for s in "ab"}}
        self._take(path)

    def _add_server(self):
        """A third namespace, C, with a cable to each of the two and one address for both."""
        server = Netns(self.pair.bed, f"{self.pair.name}-{self.pair.number}c")
        self.pair.side["c"] = server
        server.ip(f"addr add {COORD}/32 dev lo")
        for number, s in enumerate("ab"):
            near, far = f"10.99.{73 + number}.2", f"10.99.{73 + number}.1"
            self.pair.bed.link(self.pair.side[s], "veth1", server, f"veth-{s}")
            server.ip(f"addr add {far}/24 dev veth-{s}")
            self.pair.side[s].ip_batch([f"addr add {near}/24 dev veth1", f"route add {COORD} via {far}"])
        return server

    def _take(self, path):
        a, b = self.nodes["a"], self.nodes["b"]
        for node, other in ((a, b), (b, a)):
            node.wait_home_relay()
            node.wait_peer(other)
            if path == "relay":
                node.ctl("set", "path", other.name, "relay")
        # Paths are looked for when there is something to send.
        a.reaches(b)
        a.wait_path(b, path, 20)
        b.wait_path(a, path, 20)

    def address(self, side):
        return self.nodes[side].address()
