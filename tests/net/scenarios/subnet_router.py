"""A router carries a LAN whose machines run nothing of ours, next to Docker's rules.

    laptop ── router A ──┐                       ┌── gw   (warrend, offers the LAN)
                         ├── internet ── office ─┤
    coord (with relay) ──┘                       └── box  (nginx, sshd, PostgreSQL, vsftpd, plain sockets)
"""

import json
import signal
import socket

from lab import lan
from lab.command import check, wait_until
from lab.warren import Node, coordinator

TIMEOUT_S = 180

# What Docker's daemon makes with iptables-nft, as `nft list ruleset` prints it.
DOCKER = """
table ip nat {
	chain DOCKER { iifname "docker0" counter return; }
	chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept;
		oifname != "docker0" ip saddr 172.17.0.0/16 counter masquerade; }
	chain PREROUTING { type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter jump DOCKER; }
}
table ip filter {
	chain DOCKER { }
	chain DOCKER-ISOLATION-STAGE-1 { counter return; }
	chain DOCKER-USER { counter return; }
	chain FORWARD { type filter hook forward priority filter; policy drop;
		counter jump DOCKER-USER
		counter jump DOCKER-ISOLATION-STAGE-1
		oifname "docker0" ct state related,established counter accept
		oifname "docker0" counter jump DOCKER
		iifname "docker0" oifname != "docker0" counter accept
		iifname "docker0" oifname "docker0" counter accept
	}
}
"""


def rules(ns):
    """All of nftables without what counts."""
    said = ns.run("nft", "-s", "list", "ruleset").stdout
    return "\n".join(line for line in said.splitlines() if line.strip())


def routes(node):
    return json.loads(node.ctl("routes", "--json").stdout)["routes"]


def route_of(node, prefix):
    return next((r for r in routes(node) if r["prefix"] == prefix), {})


def sysctls(ns):
    return ns.run("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding",
                  "net.ipv6.conf.eth0.accept_ra").stdout.split()


def bad_offers(gw, prefix):
    """Each refused with a line, and nothing of it half done."""
    own = gw.address()
    for words in (["10.20.0.1/16"], ["0.0.0.0/0"], ["127.0.0.0/8"], ["fe80::/64"], ["224.0.0.0/4"], ["10.0.0.0/8,"],
                  [f"{own}/32"], [own.rsplit(".", 1)[0] + ".0/24"], ["10.1.0.0/16,10.1.0.0/16"],
                  [",".join(f"10.{i}.0.0/16" for i in range(33))],
                  [",".join(f"10.{i // 250}.{i % 250}.0/24" for i in range(5000))],
                  [prefix, "--map", "10.1.0.0/16=10.2.0.0/24"], [prefix, "--snat", "perhaps"],
                  [prefix, "--weight", "0"], [prefix, "--colour", "red"], [prefix, "--map"]):
        done = gw.ctl("set", "routes", *words, expect=None)
        check(done.returncode in (1, 2), f"set routes {words[0][:40]} gave {done.returncode}: {done.stdout}")
        check(len(done.stderr.strip().splitlines()) == 1, f"set routes {words} said: {done.stderr}")
    check(gw.ctl("get", "routes").stdout.strip() == "none", "a refused offer was kept")
    check(not [r for r in routes(gw) if r["own"]], "a refused offer is listed")


def uses(laptop, log, ssh, echo, box, saw):
    """Everything at once; saw: the address by which box knows the laptop."""
    check(lan.fetches(laptop.ns, box), "no page from nginx")
    check(lan.clients(log)[-1] == saw, f"nginx saw {lan.clients(log)[-1]}, not {saw}")
    check(ssh.client_seen(laptop.ns, box) == saw, "ssh saw another address")
    check(lan.query(laptop.ns, box) == saw, "PostgreSQL saw another address")
    for size in (10, 1200, 4000):
        check(echo.ask(laptop.ns, size=size) == saw, f"UDP of {size} bytes saw another address")
    check(laptop.ns.ping(box), "no ICMP echo")


def traffic(lab, coord, laptop, gw, log, box_ns):
    box = box_ns.address()
    ssh, echo = lan.Ssh(box_ns), lan.Echo(box_ns, box)
    lan.postgresql(box_ns)
    lan.vsftpd(box_ns)
    uses(laptop, log, ssh, echo, box, gw.ns.address(4, "eth0"))
    check(lan.sctp_handshake(laptop.ns, box_ns, box) == gw.ns.address(4, "eth0"), "SCTP saw another address")
    # The first hop is the router, by its address in the mesh; the port nobody has says so itself.
    check(lan.hop(laptop.ns, box, 1) == gw.address(), f"the first hop is {lan.hop(laptop.ns, box, 1)}")
    with laptop.ns.socket() as probe:
        probe.settimeout(3)
        probe.connect((box, 9))
        probe.send(b"x")
        try:
            probe.recv(10)
            check(False, "a closed port answered")
        except ConnectionRefusedError:
            pass
        except TimeoutError:
            check(False, "the ICMP error of a closed port did not come home")
    done = lan.ftp_active(laptop.ns, box)
    check(done.stdout == lan.TEXT, f"no file by active FTP: {done.stderr}")
    return ssh, echo


def enforcement(lab, laptop, gw, box_ns):
    """What no rule allows, in both directions."""
    box, overlay = box_ns.address(), laptop.address()
    box_ns.ip(f"route add {overlay}/32 via {gw.ns.address(4, 'eth0')}")
    box_ns.ip(f"route add {gw.address()}/32 via {gw.ns.address(4, 'eth0')}")
    server = laptop.ns.socket(kind=socket.SOCK_STREAM)
    server.bind(("0.0.0.0", 8000))
    server.listen(4)
    check(not box_ns.ping(overlay), "a LAN host pings into the mesh")
    check(not box_ns.ping(gw.address()), "a LAN host pings the router's address in the mesh")
    with box_ns.socket(kind=socket.SOCK_STREAM) as client:
        client.settimeout(1)
        check(client.connect_ex((overlay, 8000)) != 0, "a LAN host opens a connection into the mesh")
    server.close()
    # The router has its LAN address in what it carries, and answers there to nobody of the mesh.
    with gw.ns.socket(kind=socket.SOCK_STREAM) as server, laptop.ns.socket(kind=socket.SOCK_STREAM) as client:
        server.bind(("0.0.0.0", 8001))
        server.listen(4)
        client.settimeout(1)
        check(client.connect_ex((gw.ns.address(4, "eth0"), 8001)) != 0, "the router's own LAN address is reached")
    for address in ("127.0.0.1", "169.254.1.1", gw.ns.address(4, "eth0")):
        laptop.ns.run("ip", "route", "replace", f"{address}/32", "dev", laptop.tun, expect=None)
        check(not laptop.ns.ping(address, dev=laptop.tun), f"{address} is reached through the router")
        laptop.ns.run("ip", "route", "del", f"{address}/32", "dev", laptop.tun, expect=None)
    check(lan.fetches(laptop.ns, box), "the page is gone")


def left(gw):
    """What of it is in the system."""
    found = []
    if "warren" in gw.ns.run("nft", "list", "ruleset").stdout or gw.tun in gw.ns.run("nft", "list", "ruleset").stdout:
        found.append("rules")
    if "proto 87" in gw.ns.run("ip", "-4", "rule").stdout + gw.ns.run("ip", "-6", "rule").stdout:
        found.append("ip rules")
    if gw.ns.device_exists(gw.tun):
        found.append("device")
    if sysctls(gw.ns) != ["0", "0", "1"]:
        found.append(f"sysctls {sysctls(gw.ns)}")
    return found


def ends(laptop, gw, box, before):
    for signum in (signal.SIGTERM, signal.SIGKILL):
        gw.process.kill(signum)
        wait_until(f"nothing is left after {signum.name}: {left(gw)}", lambda: not left(gw), 5)
        check(rules(gw.ns) == before, f"others' rules changed after {signum.name}:\n{rules(gw.ns)}")
        gw.start()
        wait_until("the router carries again", lambda: lan.fetches(laptop.ns, box), 30)


def scenario(lab):
    coord = coordinator(lab)
    office = lab.home("office", "A", v6=True)
    gw_ns, box_ns = office.host("gw"), office.host("box")
    gw_ns.nft(DOCKER)
    gw_ns.sysctl("net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0", "net.ipv6.conf.eth0.accept_ra=1")
    before = rules(gw_ns)
    log = lan.nginx(box_ns)
    laptop, gw = Node(lab, lab.home("home", "A").host("laptop")), Node(lab, gw_ns)
    laptop.up(coord.token)
    gw.up(coord.token)
    box, box6 = box_ns.address(), box_ns.address(6)
    prefix, prefix6 = f"{office.lan}.0/24", f"{office.lan6}::/64"
    coord.set_policy({"rules": [{"allow": ["laptop"], "to": [f"{prefix}:*", f"{prefix6}:*"]},
                                {"allow": ["laptop"], "to": ["gw:*"]},
                                # The server of active FTP calls back.
                                {"allow": [f"{box}/32"], "to": ["laptop:tcp/10000-65535"]}]})
    bad_offers(gw, prefix)

    gw.ctl("set", "routes", f"{prefix},{prefix6}")
    wait_until("the offer waits", lambda: route_of(gw, prefix).get("why"), 10)
    check(not route_of(gw, prefix)["approved"] and not lan.fetches(laptop.ns, box), "carried without approval")
    check("warren" not in gw.ns.run("nft", "list", "tables").stdout, "rules before any approval")
    coord.admin("route", "approve", "gw", "all")
    wait_until("the laptop reaches the LAN", lambda: lan.fetches(laptop.ns, box), 20)
    check(route_of(gw, prefix)["used"], f"not used: {route_of(gw, prefix)}")
    check(sysctls(gw_ns) == ["1", "1", "2"], f"forwarding is {sysctls(gw_ns)}")
    check(not gw.status()["health"], f"health: {gw.status()['health']}")
    wait_until("the laptop reaches the LAN by v6", lambda: lan.fetches(laptop.ns, box6), 10)
    traffic(lab, coord, laptop, gw, log, box_ns)
    enforcement(lab, laptop, gw, box_ns)

    # What an admin takes back is gone from peers at once.
    def carried():
        return prefix in laptop.ns.run("ip", "-4", "route", "show", "table", "all").stdout

    check(carried(), "the laptop has no route to the LAN")
    coord.admin("route", "revoke", "gw", prefix)
    wait_until("a revoked route is used no more", lambda: not carried(), 1)
    wait_until("the router hears why", lambda: "revoked" in route_of(gw, prefix).get("why", ""), 5)
    coord.admin("route", "approve", "gw", prefix)
    wait_until("the laptop reaches the LAN again", lambda: lan.fetches(laptop.ns, box), 10)

    # Others change their rules, and we ours, under traffic.
    stream = laptop.ns.start("stream", "ping", "-n", "-i", "0.02", "-c", "200", box)
    for weight in range(1, 6):
        gw.ctl("set", "routes", f"{prefix},{prefix6},10.99.{weight}.0/24")
        coord.admin("route", "approve", "gw", "all")
    check(stream.wait(20) == 0 and " 0% packet loss" in stream.log(), f"lost: {stream.log()[-200:]}")
    gw_ns.nft("flush ruleset")
    check(lan.fetches(laptop.ns, box), "somebody's flush took our rules")
    gw_ns.nft("table inet strict { chain c { type filter hook forward priority 0; policy drop; }; }")
    wait_until("who drops is named", lambda: any("inet strict c" in h for h in gw.status()["health"]), 15)
    check(not lan.fetches(laptop.ns, box), "a policy of others was overruled")
    gw_ns.nft("delete table inet strict")
    gw_ns.nft(DOCKER)
    wait_until("Docker, started anew, lets through", lambda: lan.fetches(laptop.ns, box), 15)

    # By their own addresses: the LAN has a way back.
    gw.ctl("set", "routes", f"{prefix},{prefix6}", "--snat", "no")
    wait_until("box sees the laptop itself", lambda: lan.fetches(laptop.ns, box) and
               lan.clients(log)[-1] == laptop.address(), 10)
    ends(laptop, gw, box, before)
