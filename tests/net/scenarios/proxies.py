"""Homes where only an HTTP proxy leads out, each with another proxy; bob has UDP.

    squid, tinyproxy ── router P ──┐
    opener ──────────── router P ──┼── internet ── router A ── bob
    nobody's ────────── router P ──┘       └── coord (with relay)
"""

import os

from lab import proxies
from lab.command import check, wait_until
from lab.warren import Node, coordinator, join, transfer

USER = "ann:p@ss word:1"  # nothing a careless splitting would take apart


def node_behind(lab, name, proxy_ns, config="", env=None):
    """A daemon whose only way out is the proxy."""
    home = lab.home(f"home-{name}", "P", proxy=proxy_ns.address())
    node = Node(lab, home.host(name), start=False)
    path = f"/run/{name}.conf"
    with open(path, "w", encoding="ascii") as file:
        file.write(config)
    if env:
        node.process = node.ns.start(name, lab.bin("warrend"), "--state", node.state, "--socket",
                                     node.control, "--tun", node.tun, "--config", path,
                                     env=dict(os.environ, **env))
        node.process.wait_log("ready")
    else:
        node.start("--config", path)
    return node


def goes_by_tls(node, bob):
    node.wait_peer(bob)
    node.reaches(bob)
    peer = node.wait_path(bob, "relay")
    check(peer["reason"] == "udp-blocked", f"{node.name}: the reason is {peer['reason']}")


def secret_file(name, text):
    path = f"/run/{name}-credentials"
    with open(path, "w", encoding="ascii") as file:
        file.write(text + "\n")
    os.chmod(path, 0o600)
    return path


def with_squid(lab, coord, bob):
    ns = lab.server("squid")
    proxies.squid(ns, USER)
    url = f"http://{ns.address()}:{proxies.PORT}"
    denied = node_behind(lab, "denied", ns, f"proxy = {url}\n")
    said = denied.up(coord.token, timeout_s=4, expect=None)
    check(said.returncode in (3, 5), f"up without credentials: exit {said.returncode}")
    check("the proxy refuses" in said.stderr, f"nothing tells of the proxy's refusal: {said.stderr}")
    carol = node_behind(lab, "carol", ns, f"proxy = {url}/\nproxy-credentials = "
                        f"{secret_file('carol', USER)}\n")
    carol.up(coord.token)
    goes_by_tls(carol, bob)
    found = carol.ctl("netcheck").stdout
    check(f"{ns.address()}:{proxies.PORT}" in found, f"netcheck does not name the proxy: {found}")
    log = carol.process.log() + found + carol.ctl("bugreport").stdout
    check("p@ss" not in log and "cEBzc" not in log, "the proxy's password is in the log")
    print(f"squid with credentials, {transfer(carol, bob, 4):.0f} MiB/s")


def with_tinyproxy(lab, coord, bob):
    ns = lab.server("tiny")
    proxies.tinyproxy(ns, "bert:xy")
    dave = node_behind(lab, "dave", ns, env={
        "https_proxy": f"http://bert:x%79@{ns.address()}:{proxies.PORT}/", "no_proxy": "192.0.2.0/24"})
    dave.up(coord.token)
    goes_by_tls(dave, bob)
    print("tinyproxy with credentials of the environment")


def with_opener(lab, coord, bob):
    ns = lab.server("opener")
    seen = proxies.opening(ns, lab)
    erin = node_behind(lab, "erin", ns, f"proxy = {ns.address()}:{proxies.PORT}\n")
    erin.up(coord.token)
    goes_by_tls(erin, bob)
    wait_until("status names who opens TLS", lambda: any(
        "Lab Inspection" in line for line in erin.status()["health"]), 5)
    with open(seen, "rb") as file:
        read = file.read()
    check(b"/control" in read, "the proxy opened nothing, so this shows nothing")
    for what in (coord.token.encode(), coord.token[8:48].encode(), b"erin", bob.name.encode(),
                 bob.address().encode(), bob.ns.address().encode(), erin.ns.address().encode()):
        check(what not in read, f"the proxy could read {what[:12]}")
    check(not [h for h in bob.status()["health"] if "tls" in h], "bob's TLS is said to be opened")
    print(f"opened TLS: named in status, {len(read)} bytes show nothing")


def with_hanging(lab, coord):
    ns = lab.server("hanging")
    taken = proxies.hanging(ns)
    frank = node_behind(lab, "frank", ns, f"proxy = {ns.address()}:{proxies.PORT}\n")
    said = frank.up(coord.token, timeout_s=6, expect=None)
    check(said.returncode in (3, 5), f"up behind a proxy that hangs: exit {said.returncode}")
    check(0 < taken() < 12, f"{taken()} connections to a proxy that hangs")
    check(frank.status()["state"] != "connected", "connected without a way out")
    frank.process.terminate()
    wait_until("frank ends", lambda: not frank.process.running(), 5)
    print(f"a proxy that hangs: {taken()} connections, said so in 6 s")


def scenario(lab):
    coord = coordinator(lab)
    bob, = join(lab, coord, lab.home("home-bob", "A").host("bob"))
    with_squid(lab, coord, bob)
    with_tinyproxy(lab, coord, bob)
    with_opener(lab, coord, bob)
    with_hanging(lab, coord)
