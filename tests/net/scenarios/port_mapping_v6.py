"""A firewall without NAT opens a pinhole for the port, in PCP and in UPnP, and closes it at the end.

    node ── firewall (v6), miniupnpd ── internet (v6) ── coord (with relay)
"""

from lab.command import check, wait_until
from lab.mapper import Mapper
from lab.warren import Coordinator, Node


def scenario(lab):
    server = lab.server("coord", v4=False)
    coord = Coordinator(lab, server, public=f"[{server.address(6)}]")
    for protocol in ("pcp", "upnp"):
        home = lab.home(f"home{protocol}", "none", v4=False, v6=True)
        mapper = Mapper(home, (protocol,))
        host = home.host(f"node{protocol}")
        # As router advertisements have it.
        near = home.router.run("ip", "-o", "-6", "addr", "show", "dev", "lan", "scope", "link").stdout
        host.ip(f"route replace default via {near.split('inet6 ')[1].split('/')[0]} dev eth0")
        node = Node(lab, host)
        node.up(coord.token)
        wait_until(f"{protocol}: verified", lambda n=node: n.status()["port_mapping"].endswith(" verified"), 10)
        text = node.status()["port_mapping"]
        check(text.startswith(f"{protocol} ["), f"{protocol}: {text}")
        check(len(mapper.pinholes()) == 1, f"{protocol}: the firewall has {mapper.pinholes()}")
        print(text)
        node.process.terminate()
        wait_until(f"{protocol}: closed", lambda m=mapper: not m.pinholes(), 5)
