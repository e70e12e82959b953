"""Debian's miniupnpd on a home's router: PCP, NAT-PMP and UPnP, each to be had alone."""

from .command import check, tool, wait_until

# The router's own table gets the chains that the daemon fills; what it opened is let through.
_CHAINS = """
table inet firewall {
    chain miniupnpd { }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
    chain mapper_in { type nat hook prerouting priority -101; jump prerouting_miniupnpd; }
    chain mapper_out { type nat hook postrouting priority 99; jump postrouting_miniupnpd; }
    chain mapper_asked {
        type filter hook input priority -1; policy accept;
    }
}
insert rule inet firewall forward jump miniupnpd
"""

# The first byte of a request is the version: 2 is PCP, 0 NAT-PMP.
_REFUSE = {"pcp": "2", "nat-pmp": "0"}


class Mapper:
    """miniupnpd for a home, speaking those of "pcp", "nat-pmp", "upnp" that are wanted."""

    def __init__(self, home, protocols=("pcp", "nat-pmp", "upnp")):
        self.home, self.router = home, home.router
        name = f"{home.name}-mapper"
        self.path = f"/run/{name}.conf"
        both = "pcp" in protocols or "nat-pmp" in protocols
        self.router.nft(_CHAINS)
        for protocol, version in _REFUSE.items():
            if protocol not in protocols:
                self.router.nft(f"add rule inet firewall mapper_asked udp dport 5351 @th,64,8 {version} drop")
        lines = ["ext_ifname=wan", "listening_ip=lan", "http_port=5000", "secure_mode=yes",
                 f"enable_natpmp={'yes' if both else 'no'}",
                 f"enable_upnp={'yes' if 'upnp' in protocols else 'no'}",
                 "upnp_table_name=firewall", "upnp_nat_table_name=firewall",
                 "uuid=aeff0fe9-35ec-4fc6-b15c-28500ef398bd",
                 "allow 1024-65535 0.0.0.0/0 1024-65535"]
        with open(self.path, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        self.name = name
        self.start()

    def start(self):
        self.process = self.router.start(self.name, tool("miniupnpd"), "-d", "-f", self.path,
                                         "-P", f"/run/{self.name}.pid")
        self.process.wait_log("listening on" if "upnp=yes" in open(self.path, encoding="ascii").read()
                              else "Listening for NAT-PMP/PCP")

    def opened(self):
        """The rules that it made, as nft shows them."""
        said = self.router.run("nft", "list", "chain", "inet", "firewall",
                               "prerouting_miniupnpd").stdout
        return [line.strip() for line in said.splitlines() if "dnat" in line]

    def pinholes(self):
        said = self.router.run("nft", "list", "chain", "inet", "firewall", "miniupnpd").stdout
        return [line.strip() for line in said.splitlines() if "accept" in line]

    def forget(self):
        """Deletes the rules behind everybody's back."""
        for chain in ("miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"):
            self.router.run("nft", "flush", "chain", "inet", "firewall", chain)
        check(not self.opened(), "the rules are gone")

    def restart(self):
        """As when the router was switched off and on."""
        self.process.kill()
        self.forget()
        self.start()

    def wait_closed(self, timeout_s=5):
        wait_until("the router's mapping is deleted", lambda: not self.opened(), timeout_s)


def mapping(node):
    """What netcheck says of the ports: (text, list)."""
    import json
    seen = json.loads(node.ctl("netcheck", "--json", timeout_s=30).stdout)
    return seen["port_mapping"], seen["port_mappings"]
