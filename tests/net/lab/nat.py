"""The behaviours of a home router (RFC 4787 words), as nftables rules. WAN side `wan`, LAN side `lan`.

    kind  mapping                      filtering                    how
    A     endpoint-independent         address and port dependent   masquerade
    B     address and port dependent   address and port dependent   a random port for every flow
    C     endpoint-independent         endpoint-independent         A, and all high ports to one host
    D     endpoint-independent         address dependent            C for those it has sent to
    E     address dependent            address and port dependent   a port for every destination
    R     endpoint-independent         address and port dependent   A, but answers what nobody asked for
    S     address and port dependent   address and port dependent   the next port for every flow
    U     UDP blocked                  -                            A for TCP
    P     UDP blocked                  -                            TCP to the proxy only
    none  no translation               stateful firewall            public addresses inside
    open  no translation               everything passes            public addresses inside

Any of them may differ in one thing more, see Habits.
"""

KINDS = ("A", "B", "C", "D", "E", "R", "S", "U", "P", "none", "open")
PUBLIC = ("none", "open")
PORTS = 1024  # that E and S choose from
FIRST_PORT = 20000

# A router answers nothing on its WAN side. Without this line an early unsolicited packet makes a
# conntrack entry on the router itself, the later outgoing one is mapped to another port, and
# punching fails: that is kind R, which accepts it and says that the port is unreachable.
_SILENT = 'iifname "wan" meta l4proto udp drop'

_FIREWALL = """table inet firewall {{
    chain input {{
        type filter hook input priority 0; policy accept;
        {silent}
    }}
    chain forward {{
        type filter hook forward priority 0; policy accept;
        {blocked}
        iifname "wan" ct state established,related accept
        iifname "wan" ct status dnat accept
        iifname "wan" meta l4proto ipv6-icmp accept
        {unsolicited}
    }}
}}
"""

_NAT = """table ip nat {{
    set sent_to {{ type ipv4_addr; flags dynamic,timeout; timeout 5m; }}
    map mapped {{ type inet_service : ipv4_addr; flags dynamic,timeout; timeout 5m; }}
    chain remember {{
        type filter hook forward priority 10; policy accept;
        oifname "wan" meta l4proto udp update @sent_to {{ ip daddr }}
        {remember}
    }}
    chain incoming {{
        type nat hook prerouting priority -100; policy accept;
        {incoming}
    }}
    chain outgoing {{
        type nat hook postrouting priority 100; policy accept;
        {outgoing}
        oifname "wan" masquerade
    }}
}}
"""


class Habits:
    """What a router does beyond its kind.

    hairpin   what goes to its public address comes back in, with the sender's public address on it
    stride    between the ports that S gives, one after the other
    epoch     a number that A's ports are made of: with another one every mapping has another port
    """

    def __init__(self, hairpin=False, stride=1, epoch=None):
        self.hairpin, self.stride, self.epoch = hairpin, stride, epoch


def _port_from(number, stride):
    """A map, because newer nft takes the bare number for no port."""
    ports = ", ".join(f"{i} : {FIRST_PORT + stride * i}" for i in range(PORTS))
    return f'oifname "wan" meta l4proto udp masquerade to :{number} map {{ {ports} }}'


def _mapping(kind, habits):
    if kind == "A" and habits.epoch is not None:
        return _port_from(f"jhash ip saddr . udp sport mod {PORTS} seed {habits.epoch + 1}", 32)
    if kind == "B":
        return 'oifname "wan" meta l4proto udp masquerade to :20000-60000 fully-random'
    if kind == "E":
        return _port_from(f"jhash ip daddr . udp sport mod {PORTS}", 32)
    if kind == "S":
        return _port_from(f"numgen inc mod {PORTS}", habits.stride)
    return ""


_DNAT = {
    "C": 'iifname "wan" udp dport 1024-65535 dnat to {host}',
    "D": 'iifname "wan" ip saddr @sent_to udp dport 1024-65535 dnat to {host}',
}


def _translation(kind, habits, host, outside):
    """The second table. Hairpin works for ports that the mapping leaves as they are."""
    remember, incoming, outgoing = "", _DNAT.get(kind, "").format(host=host), _mapping(kind, habits)
    if habits.hairpin:
        remember = 'oifname "wan" meta l4proto udp update @mapped { udp sport : ip saddr }'
        incoming += f'\n        iifname "lan" ip daddr {outside} dnat to udp dport map @mapped'
        outgoing += f'\n        oifname "lan" ct status dnat meta l4proto udp snat to {outside}'
    return _NAT.format(remember=remember, incoming=incoming, outgoing=outgoing)


def rules(kind, host=None, proxy=None, outside=None, habits=Habits()):
    """The ruleset of a router. host: the LAN address that C and D serve; proxy: P's only way out;
    outside: its own address on the WAN side."""
    blocked = ""
    if kind in "UP":
        blocked = "meta l4proto udp drop"
    if kind == "P":
        blocked += f'\n        oifname "wan" meta l4proto tcp ip daddr != {proxy} drop'
    firewall = _FIREWALL.format(silent="" if kind == "R" else _SILENT, blocked=blocked,
                                unsolicited="" if kind == "open" else 'iifname "wan" drop')
    return firewall if kind in PUBLIC else firewall + _translation(kind, habits, host, outside)
