"""The behaviours of a home router (RFC 4787 words), as nftables rules. WAN side `wan`, LAN side `lan`.

    kind  mapping                      filtering                    how
    A     endpoint-independent         address and port dependent   masquerade
    B     address and port dependent   address and port dependent   a random port for every flow
    C     endpoint-independent         endpoint-independent         A, and all high ports to one host
    D     endpoint-independent         address dependent            C for those it has sent to
    E     address dependent            address and port dependent   a port for every destination
    R     endpoint-independent         address and port dependent   A, but answers what nobody asked for
    U     UDP blocked                  -                            A for TCP
    P     UDP blocked                  -                            TCP to the proxy only
    none  no translation               stateful firewall            public addresses inside
    open  no translation               everything passes            public addresses inside
"""

KINDS = ("A", "B", "C", "D", "E", "R", "U", "P", "none", "open")

# A router answers nothing on its WAN side. Without the UDP line an early unsolicited packet makes a
# conntrack entry on the router itself, the later outgoing one is mapped to another port, and
# punching fails: that is kind R, which accepts it and says that the port is unreachable.
_INPUT = """
    chain input {{
        type filter hook input priority 0; policy accept;
        {unasked}
    }}"""

_FORWARD = """
    chain forward {{
        type filter hook forward priority 0; policy accept;
        {blocked}
        iifname "wan" ct state established,related accept
        iifname "wan" ct status dnat accept
        iifname "wan" meta l4proto ipv6-icmp accept
        {unsolicited}
    }}"""

_NAT = {
    "A": 'oifname "wan" masquerade',
    "B": 'oifname "wan" meta l4proto udp masquerade to :20000-60000 fully-random\n'
         '        oifname "wan" masquerade',
    # A map, because newer nft takes the bare number for no port.
    "E": 'oifname "wan" meta l4proto udp masquerade to :jhash ip daddr . udp sport mod 1024 map { '
         + ", ".join(f"{i} : {20000 + 32 * i}" for i in range(1024)) + ' }\n'
         '        oifname "wan" masquerade',
}
_NAT.update({kind: _NAT["A"] for kind in "CDRUP"})

_DNAT = {
    "C": 'iifname "wan" udp dport 1024-65535 dnat to {host}',
    "D": 'iifname "wan" ip saddr @sent_to udp dport 1024-65535 dnat to {host}',
}


def rules(kind, host=None, proxy=None):
    """The ruleset of a router. host: the LAN address that C and D serve; proxy: P's only way out."""
    blocked = ""
    if kind in "UP":
        blocked = "meta l4proto udp drop"
    if kind == "P":
        blocked += f'\n        oifname "wan" meta l4proto tcp ip daddr != {proxy} drop'
    unsolicited = "" if kind == "open" else 'iifname "wan" drop'
    text = "table inet firewall {" + (_INPUT + _FORWARD).format(
        blocked=blocked, unsolicited=unsolicited,
        unasked="" if kind == "R" else 'iifname "wan" meta l4proto udp drop') + "\n}\n"
    if kind in ("none", "open"):
        return text
    return text + f"""table ip nat {{
    set sent_to {{ type ipv4_addr; flags dynamic,timeout; timeout 5m; }}
    chain remember {{
        type filter hook forward priority 10; policy accept;
        oifname "wan" meta l4proto udp update @sent_to {{ ip daddr }}
    }}
    chain incoming {{
        type nat hook prerouting priority -100; policy accept;
        {_DNAT.get(kind, "").format(host=host)}
    }}
    chain outgoing {{
        type nat hook postrouting priority 100; policy accept;
        {_NAT[kind]}
    }}
}}
"""
