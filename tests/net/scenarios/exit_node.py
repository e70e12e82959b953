"""All traffic by an exit, and nothing beside it: at the start, while exits change, fail and die, while
the daemon itself is dead, and with exits that have no IPv6.

    alice, printer ── router A ── internet ──┬── web, which says whom it sees
                                             ├── near, far: name servers, of alice and of the exits
                                             ├── east, west (exits), four (an exit without IPv6)
                                             └── coord.test (with relay)
"""

import re
import socket
import time

from lab.command import check, wait_until
from lab.exits import POLICY, Flood, Watch, Web, carries, exits, tables, who
from lab.warren import Node, Coordinator

TIMEOUT_S = 150

# A line that carries nothing any more, in neither direction.
CUT = """
table netdev cut {
    chain in {
        type filter hook ingress device "wan" priority 0; policy drop;
    }
    chain out {
        type filter hook egress device "wan" priority 0; policy drop;
    }
}
"""


class NameServer:
    """Knows where the coordinator is, and calls www.test by an address of its own."""

    def __init__(self, lab, name, coord, www):
        self.ns = lab.server(name)
        self.address, self.www = self.ns.address(4), www
        self.process = self.ns.start(
            name, "dnsmasq", "--keep-in-foreground", "--no-hosts", "--no-resolv", "--log-queries",
            "--log-facility=-", f"--address=/coord.test/{coord}", f"--address=/www.test/{www}", "--local=/test/",
            f"--listen-address={self.address}", "--bind-interfaces", "--user=root", "--pid-file=",
            "--conf-file=/dev/null")

    def asked(self):
        return set(re.findall(r"query\[\w+\] (\S+) from", self.process.log()))


def www(node):
    """What this machine's own resolver makes of www.test."""
    said = node.ns.run("dig", "+short", "+tries=1", "+time=2", "www.test", expect=None).stdout
    return "".join(line for line in said.splitlines() if not line.startswith(";"))


def block_tables(node):
    return {name for name in tables(node) if name.startswith(("warren_exit_", "warren_block_"))}


def refused(node, code, part, *words):
    before = node.ctl("get", "exit-node").stdout
    done = node.ctl("set", *words, expect=None)
    check(done.returncode == code and part in done.stderr and done.stderr.count("\n") == 1,
          f"set {' '.join(words)}: {done.returncode}, not {code} ({part}): {done.stderr}")
    check(node.ctl("get", "exit-node").stdout == before, f"set {' '.join(words)} changed something")


def try_bad_input(alice):
    refused(alice, 1, "no peer is called nobody", "exit-node", "nobody")
    refused(alice, 1, "is this node itself", "exit-node", "alice")
    refused(alice, 1, "is no exit node", "exit-node", "plain")
    refused(alice, 2, "no name of a node", "exit-node", "no name")
    refused(alice, 2, "yes or no", "exit-node", "east", "--kill-switch", "maybe")
    refused(alice, 2, "no option", "exit-node", "east", "--kill", "yes")
    refused(alice, 2, "yes or no", "offer-exit", "perhaps")
    refused(alice, 2, "0.0.0.0/0", "routes", "0.0.0.0/0")
    check(not block_tables(alice), f"refused settings left {block_tables(alice)}")


def try_local(alice, printer, router_lan):
    """The local network is kept, or left to the exit too; neighbours are found in either case."""
    check(alice.ns.ping(printer), "the printer is out of reach although local networks are kept")
    alice.ctl("set", "exit-node", "east", "--keep-local", "no")
    wait_until("the printer is out of reach", lambda: not alice.ns.ping(printer), 5)
    alice.ns.ip("neigh flush all")
    wait_until("neighbours are found", lambda: alice.ns.ip(f"neigh show {router_lan}").stdout
               .find("lladdr") >= 0, 10)
    alice.ctl("set", "exit-node", "east", "--keep-local", "yes")
    wait_until("the printer is back", lambda: alice.ns.ping(printer), 5)


def try_death(alice, web, flood, watch, east):
    """The kill switch holds while the daemon is dead and while another one begins."""
    alice.process.kill()
    time.sleep(1)
    flood.answers.clear()
    time.sleep(0.5)
    check(not flood.answers, f"answers without a daemon: {flood.answers[:3]}")
    check(www(alice) == "", f"without a daemon www.test is {www(alice)}")
    check(block_tables(alice) == {f"warren_block_{alice.tun}"}, f"dead, with {block_tables(alice)}")
    watch.check("the daemon is dead")
    alice.start()
    carries(alice, web, east)
    watch.check("the daemon is back")
    alice.process.terminate()
    check(block_tables(alice) == {f"warren_block_{alice.tun}"}, f"ended, with {block_tables(alice)}")
    watch.check("the daemon was ended, as for an update")
    alice.start()
    carries(alice, web, east)
    watch.check("the daemon is new")


def try_cleanup(alice, web, east, before):
    """Without a daemon the kill switch is ended by hand; the next daemon closes it again."""
    alice.process.kill()
    check(who(alice, web.address()) is None, "the web is seen without a daemon")
    options = ["--cleanup", "--open", "--state", alice.state, "--tun", alice.tun]
    wait_until("the dead daemon's keeper is done", lambda: alice.ns.run(
        alice.lab.bin("warrend"), *options, expect=None).returncode == 0, 5)
    check(not block_tables(alice), f"--cleanup --open left {block_tables(alice)}")
    check(who(alice, web.address()) == before, "the web is not seen after --cleanup --open")
    alice.start()
    check(f"warren_block_{alice.tun}" in block_tables(alice), "a new daemon does not block")
    carries(alice, web, east)


def try_policy(alice, web, coord, east):
    """What the policy takes back is held back, not sent another way."""
    coord.set_policy({"rules": POLICY["rules"][:1]})
    wait_until("east carries no more", lambda: who(alice, web.address(), 0.3) is None, 10)
    wait_until("status says so", lambda: "held back" in alice.ctl("status").stdout, 5)
    refused(alice, 1, "policy does not let", "exit-node", "east")
    check(www(alice) == "", f"without an exit www.test is {www(alice)}")
    coord.set_policy(POLICY)
    carries(alice, web, east)


def try_inside(alice, plain, east):
    """An exit leads to the internet alone: not to itself, nor to what is private behind it."""
    east.ns.ip_batch(["link add inside type bridge", "link set inside up", "addr add 10.9.9.9/24 dev inside",
                      "addr add 2001:db8:99::9/64 dev inside nodad"])
    own = Web(east.ns, ((socket.SOCK_STREAM, 80),))
    check(who(plain, east.ns.address(4, "wan")) == plain.ns.address(4, "wan"), "the exit's own server does not serve")
    own.seen.clear()
    for address in (east.ns.address(4, "wan"), east.ns.address(6, "wan"), "10.9.9.9", "2001:db8:99::9", "10.9.9.8"):
        check(who(alice, address, 0.3) is None, f"{address} of the exit is reached through it")
    check(not own.seen, f"the exit itself was reached: {own.seen}")


def in_use(alice, web, exits_):
    """(the exit that carries, another one)"""
    seen = wait_until("an exit carries", lambda: who(alice, web.address()), 10)
    first = next(node for node in exits_ if seen == node.ns.address(4, "wan"))
    return first, next(node for node in exits_ if node is not first)


def try_failover(alice, web, flood, watch, exits_):
    """One of two exits loses its line, or its daemon: the other one carries on."""
    alice.ctl("set", "exit-node", "auto")
    for how in ("line", "daemon"):
        first, other = in_use(alice, web, exits_)
        since = time.monotonic()
        if how == "line":
            first.ns.nft(CUT)
        else:
            first.process.kill()
        carries(alice, web, other)
        time.sleep(0.2)
        gaps = flood.gap_s(since), flood.gap_s(since, socket.AF_INET6)
        print(f"failover, the {how} of {first.name} is dead: {gaps[0]:.2f} s without answers by v4, {gaps[1]:.2f} by v6")
        check(max(gaps) <= 3.0, f"failover took {gaps} s")
        watch.check(f"failover, {how}")
        if how == "line":
            first.ns.nft("delete table netdev cut")
            wait_until("it is back", lambda: alice.ping(first, expect=None), 20)
        else:
            first.start()


def try_four(alice, web, watch, four):
    """An exit without IPv6: v6 goes nowhere."""
    four.ctl("set", "offer-exit", "yes")
    wait_until("alice knows four", lambda: "four" in exits(alice), 10)
    alice.ctl("set", "exit-node", "four")
    wait_until("v4 by four", lambda: who(alice, web.address(4)) is not None, 10)
    check(who(alice, web.address(6)) is None, "v6 got out although the exit has none")
    watch.check("an exit without IPv6")


def try_end(alice, web, how):
    alice.ctl(*how)
    check(not block_tables(alice), f"{' '.join(how)} left {block_tables(alice)}")
    rules = alice.ns.ip("rule").stdout + alice.ns.ip("-6 rule").stdout
    check(not re.search(r"^(52\d\d):", rules, re.M), f"{' '.join(how)} left rules: {rules}")
    check(alice.ns.run("sysctl", "-n", "net.ipv4.conf.all.src_valid_mark").stdout.strip() == "0",
          f"{' '.join(how)} left src_valid_mark")
    return wait_until("the web sees alice as before", lambda: who(alice, web.address()), 5)


def scenario(lab):
    coord_ns, web_ns = lab.server("coord"), lab.server("web")
    near, far = (NameServer(lab, name, coord_ns.address(4), www) for name, www in
                 (("near", "192.0.2.1"), ("far", "192.0.2.2")))
    coord_ns.own_files(f"nameserver {far.address}\n")
    coord = Coordinator(lab, coord_ns, public="coord.test")
    coord.set_policy(POLICY)
    web = Web(web_ns)
    home = lab.home("home", "A", v6=True)
    hosts = [home.host("alice"), lab.server("east"), lab.server("west"), lab.server("four", v6=False),
             lab.server("plain")]
    for host in hosts:
        host.own_files(f"nameserver {(near if host.name == 'alice' else far).address}\n")
    # The strict check of the way home, by which answers to the tunnel would be lost.
    hosts[0].sysctl("net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.eth0.rp_filter=1")
    alice, east, west, four, plain = (Node(lab, host) for host in hosts)
    printer = home.host("printer")
    alice.up(coord.token)
    plain.up(coord.token)
    token = coord.key("--reusable", "--exit")
    for node in (east, west, four):
        node.up(token)
    for node in (east, west):
        node.ctl("set", "offer-exit", "yes")
    wait_until("alice knows the exits", lambda: exits(alice) == {"east", "west"}, 10)
    try_bad_input(alice)
    before = who(alice, web_ns.address())
    check(before == home.public_address(), f"without an exit the web sees {before}")

    check(www(alice) == near.www, f"without an exit www.test is {www(alice)}")
    flood = Flood(alice.ns, web_ns.address(4), web_ns.address(6))
    watch = Watch(alice, f"ip daddr {home.lan}.0/24 accept")
    alice.ctl("set", "exit-node", "east", "--kill-switch", "yes")
    watch.begin()
    carries(alice, web_ns, east)
    wait_until("names are asked at the exit", lambda: www(alice) == far.www, 5)
    watch.check("by east")
    alice.ctl("set", "exit-node", "west")
    carries(alice, web_ns, west)
    watch.check("by west")
    alice.ctl("set", "exit-node", "east")
    carries(alice, web_ns, east)
    try_local(alice, f"{home.lan}.11", f"{home.lan}.1")
    try_death(alice, web_ns, flood, watch, east)
    try_failover(alice, web_ns, flood, watch, (east, west))
    try_four(alice, web_ns, watch, four)
    flood.stop()
    watch.stop()
    alice.ctl("set", "exit-node", "east")
    carries(alice, web_ns, east)
    try_inside(alice, plain, east)
    try_policy(alice, web_ns, coord, east)
    try_cleanup(alice, web_ns, east, before)
    check(try_end(alice, web_ns, ["set", "exit-node", "none"]) == before, "another address than before")
    wait_until("names are asked as before", lambda: www(alice) == near.www, 5)
    alice.ctl("set", "exit-node", "east", "--kill-switch", "yes")
    carries(alice, web_ns, east)
    check(try_end(alice, web_ns, ["down"]) == before, "another address than before")
    alice.up()
    carries(alice, web_ns, east)
    check(try_end(alice, web_ns, ["logout"]) == before, "another address than before")
