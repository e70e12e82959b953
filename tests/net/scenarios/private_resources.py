"""What people type to get at private things: nc as ssh's ProxyCommand, speed, routes, whois, status.

    alice ── router A ── internet ── office router A ──┬── gw (carries the office's network)
                            └── coord (with relay)     └── nas (plain host: sshd, nothing of ours)
"""

import hashlib
import json
import os
import socket
import threading

from lab import lan
from lab.command import check, wait_until
from lab.warren import coordinator, join

TIMEOUT_S = 150
MUCH = 24 << 20
PORT = 5752  # of the measuring service


# --- nc ---

def serve_once(ns, address, port, answer):
    """Reads to the end of one connection, then sends answer and ends; the digest of what came."""
    listener = ns.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(1)
    digest = hashlib.sha256()

    def serve():
        peer, _ = listener.accept()
        listener.close()
        with peer:
            for part in iter(lambda: peer.recv(1 << 20), b""):
                digest.update(part)
            peer.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread, digest


def try_large(node, ns, address, name, port):
    """Much there, the end of it, then much back: half-closed connections both ways."""
    sent, answer = os.urandom(MUCH), os.urandom(MUCH)
    thread, digest = serve_once(ns, address, port, answer)
    paths = f"/run/nc-{port}-in", f"/run/nc-{port}-out"
    with open(paths[0], "wb") as file:
        file.write(sent)
    # From a file, so copied, and into a pipe, so spliced.
    shell = f'"$0" --socket {node.control} nc {name} {port} -w 10 <{paths[0]} | cat >{paths[1]}'
    node.ns.run("bash", "-o", "pipefail", "-c", shell, node.lab.bin("warren"), timeout_s=60)
    thread.join(10)
    check(digest.digest() == hashlib.sha256(sent).digest(), f"nc {name}: what arrived is another text")
    with open(paths[1], "rb") as file:
        check(file.read() == answer, f"nc {name}: what came back is another text")
    for path in paths:
        os.unlink(path)


def refused(node, words, code, part):
    """One clear line, no output, and the exit code."""
    done = node.ctl(*words, expect=None, timeout_s=30)
    check(done.returncode == code and done.stderr.count("\n") == 1 and part in done.stderr and not done.stdout,
          f"{' '.join(words)}: exit {done.returncode}, not {code} ({part}): {done.stdout}{done.stderr}")


def try_nc_refusals(alice):
    refused(alice, ["nc", "gw", "0"], 2, "not a port")
    refused(alice, ["nc", "gw", "65536"], 2, "not a port")
    refused(alice, ["nc", "gw", "22x"], 2, "not a port")
    refused(alice, ["nc", "gw"], 2, "missing")
    refused(alice, ["nc", "two words", "22"], 2, "neither a name nor an address")
    refused(alice, ["nc", "nobody", "22"], 1, "no node and no record")
    refused(alice, ["nc", "gw", "7", "-w", "5s"], 5, "nothing listens")
    done = alice.ns.run(alice.lab.bin("warren"), "--socket", "/run/no.sock", "nc", "gw", "22", expect=3)
    check(done.stderr.count("\n") == 1, f"nc without a daemon: {done.stderr}")


# --- speed ---

def try_speed(alice, gw, path):
    said = json.loads(alice.ctl("speed", gw.name, "--time", "2s", "--json", timeout_s=40).stdout)
    print(f"speed {path}: up {said['up']['mbit_per_s']:.0f}, down {said['down']['mbit_per_s']:.0f} Mbit/s, "
          f"latency {said['latency_ms']} ms idle, {said['up']['latency_ms']} and {said['down']['latency_ms']} loaded")
    check(said["schema"] == 1 and said["name"] == gw.name, f"speed says {said}")
    check(said["up"]["mbit_per_s"] > 5 and said["down"]["mbit_per_s"] > 5, f"speed by {path}: {said}")
    check(0 < said["latency_ms"] < 200 and said["up"]["latency_ms"] and said["down"]["latency_ms"],
          f"no latency: {said}")
    check(said["paths"][-1]["path"] == path, f"speed says {said['paths']}, not {path}")


def try_speed_limits(alice, gw):
    refused(alice, ["speed"], 2, "missing")
    refused(alice, ["speed", "gw", "--time", "11s"], 2, "--time is from 1s to 10s")
    refused(alice, ["speed", "gw", "--time", "0"], 2, "not a duration")
    refused(alice, ["speed", "alice"], 1, "is this node")
    refused(alice, ["speed", "nobody"], 1, "no node and no record")
    held = alice.ns.socket(kind=socket.SOCK_STREAM)
    held.connect((gw.address(), PORT))
    held.sendall(b"no hello at all.")
    check(held.recv(8)[7:] == b"\2", "what is no hello was not refused")
    held.close()
    # A program on the node itself is no peer, and nobody beside the tunnel finds the port.
    with gw.ns.socket(kind=socket.SOCK_STREAM) as own:
        check(own.connect_ex((gw.address(), PORT)) != 0 or own.recv(8) == b"", "it serves the node's own programs")


# --- behind a router ---

def route(node, prefix):
    """The first line of that prefix, which is the one that is used if any is."""
    listed = json.loads(node.ctl("routes", "--json").stdout)
    check(listed["schema"] == 1, f"routes has schema {listed['schema']}")
    return next((r for r in listed["routes"] if r["prefix"] == prefix), {})


def wait_route(where, prefix, **expected):
    seen = {}

    def probe():
        seen.clear()
        seen.update(route(where, prefix))
        return all(seen.get(key) == value for key, value in expected.items()) and seen
    try:
        return wait_until("the route", probe, 10)
    except Exception:
        check(False, f"{where.name}: {prefix} is {seen}, not {expected}")


def try_states(coord, alice, gw, prefix, address):
    """Offered, approved, used: what the tools say in each state."""
    check("no routes" in alice.ctl("routes").stdout, "there are routes before any was offered")
    refused(alice, ["whois", address], 1, "no router a network with it")
    gw.ctl("set", "routes", prefix)
    waiting = wait_route(gw, prefix, own=True, offered=True, approved=False, used=False)
    check(waiting["why"] and "appro" in waiting["why"], f"why not used: {waiting}")
    check(f"{prefix}  gw (here)" in gw.ctl("routes").stdout, gw.ctl("routes").stdout)
    check(route(alice, prefix) == {}, "alice knows of a route that nobody approved")
    coord.admin("route", "approve", "gw", prefix)
    wait_route(gw, prefix, own=True, approved=True, used=True, why=None)
    wait_route(alice, prefix, own=False, node="gw", approved=True, used=True, why=None)
    text = alice.ctl("whois", address).stdout
    check(f"network    {prefix}\nrouters    gw, used\n" in text, f"whois: {text}")
    text = alice.ctl("whois", "gw").stdout
    check(f"routes     {prefix}\n" in text, f"whois gw: {text}")
    text = alice.ctl("status", "-d").stdout
    check("· routes 1 of 1 used\n" in text and f"  routes     {prefix} used\n" in text, f"status: {text}")
    check(alice.peer(gw)["routes"] == [prefix], f"status --json: {alice.peer(gw)}")
    refused(alice, ["whois", "203.0.113.77"], 1, "no router a network with it")


def try_conflict(alice, prefix):
    """alice comes home: her LAN is used, and everything says so."""
    home = prefix.rsplit(".", 1)[0] + ".77/24"
    alice.ns.ip_batch(["link add desk type bridge", "link set desk up", f"addr add {home} dev desk"])
    seen = wait_route(alice, prefix, used=False, conflict=True)
    check("at-home" in seen["why"] or "local-network" in seen["why"], f"why: {seen}")
    status = alice.status()
    check(len(status["conflicts"]) == 1 and prefix in status["conflicts"][0], f"conflicts: {status['conflicts']}")
    text = alice.ctl("netcheck").stdout
    check("conflicts" in text and prefix in text, f"netcheck: {text}")
    check("routes 0 of 1 used" in alice.ctl("status").stdout, alice.ctl("status").stdout)
    alice.ns.ip("link del desk")
    wait_route(alice, prefix, used=True, conflict=False)


def proxied(node, ssh, target, *words):
    """ssh by nc alone; what it says."""
    proxy = f"{node.lab.bin('warren')} --socket {node.control} nc %h %p"
    return node.ns.run("ssh", "-F", "/dev/null", "-i", f"{ssh.keys}/user", "-o", "BatchMode=yes",
                       "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={ssh.keys}/known",
                       "-o", f"ProxyCommand={proxy}", f"root@{target}", *words, timeout_s=30).stdout


def try_names(coord, alice, nas, address):
    """By record and by the site's own name server, while the system is told no names at all."""
    alice.ctl("set", "names", "no")
    check(not alice.status()["names"]["on"], "names are on")
    coord.admin("dns", "add", "nas", "A", address)
    coord.admin("dns", "split", "corp.example", address)
    server = nas.start("dnsmasq", "dnsmasq", "--keep-in-foreground", "--no-hosts", "--no-resolv", "--no-daemon",
                       f"--address=/db.corp.example/{address}", "--local=/corp.example/", "--user=root",
                       f"--listen-address={address}", "--bind-interfaces", "--pid-file=", "--conf-file=/dev/null")
    server.wait_log("started")
    wait_until("the record is known", lambda: alice.ctl("ip", "nas", expect=None).stdout.split() == [address])
    for name in ("nas.lab.internal", "NAS", "db.corp.example"):
        check(alice.ctl("ip", name).stdout.split() == [address], f"ip {name}: {alice.ctl('ip', name).stdout}")
    check("name       nas.lab.internal\n" in alice.ctl("whois", "nas").stdout, alice.ctl("whois", "nas").stdout)
    refused(alice, ["nc", "nowhere.corp.example", "22"], 1, "no address")


def try_ssh(alice, nas, address):
    ssh = lan.Ssh(nas)
    for target in (address, "nas", "db.corp.example"):
        check(proxied(alice, ssh, target, "echo", "$SSH_CONNECTION").split()[2:] == [address, "22"],
              f"ssh by nc to {target}")
    # Much, both ways, by what ssh makes of it.
    with open("/run/much", "wb") as file:
        file.write(os.urandom(MUCH))
    proxy = f"{alice.lab.bin('warren')} --socket {alice.control} nc %h %p"
    alice.ns.run("bash", "-o", "pipefail", "-c", f"ssh -F /dev/null -i {ssh.keys}/user -o BatchMode=yes "
                 f"-o UserKnownHostsFile={ssh.keys}/known -o 'ProxyCommand={proxy}' root@nas cat </run/much | cmp - /run/much",
                 timeout_s=60)


def try_exit(coord, alice, gw):
    gw.ctl("set", "offer-exit", "yes")
    coord.admin("route", "approve", "gw", "exit")
    wait_route(alice, "0.0.0.0/0", used=False, exit=True)
    coord.set_policy({"rules": [{"allow": ["*"], "to": ["*:*", "internet:*"]}]})
    alice.ctl("set", "exit-node", "gw")
    wait_route(alice, "0.0.0.0/0", used=True, exit=True, node="gw")
    status = alice.status()
    check(status["exit_node"]["wanted"] == "gw" and status["exit_node"]["ipv4"] == "gw", f"{status['exit_node']}")
    check("· exit gw" in alice.ctl("status").stdout, alice.ctl("status").stdout)
    check("exit          gw" in alice.ctl("netcheck").stdout, alice.ctl("netcheck").stdout)
    alice.ctl("set", "exit-node", "none")
    check(alice.status()["exit_node"] is None, "an exit is still told of")


def try_bad_settings(alice):
    """Refused in one line with exit code 2, and all is as before."""
    before = alice.ctl("get").stdout
    for words in (["speed", "maybe"], ["names", "1"], ["accept-routes", "on"], ["offer-exit", ""], ["exit-node", "no such"],
                  ["exit-node", "gw", "--kill-switch"], ["exit-node", "gw", "--kill-switch", "x"],
                  ["exit-node", "gw", "--colour", "red"], ["routes", "10.1.2.3/8"], ["routes", "0.0.0.0/0"],
                  ["routes", "10.1.0.0/16", "--weight", "256"], ["routes", "10.1.0.0/16", "--snat", "maybe"],
                  ["routes"], ["nothing", "yes"], ["speed", "yes", "no"]):
        done = alice.ctl("set", *words, expect=None)
        check(done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout,
              f"set {words}: exit {done.returncode}: {done.stdout}{done.stderr}")
    check(alice.ctl("get").stdout == before, "what was refused changed a setting")
    refused(alice, ["routes", "x"], 2, "too many")
    refused(alice, ["routes", "--all"], 2, "unknown option")
    refused(alice, ["whois"], 2, "missing")


def try_speed_off(alice, gw):
    gw.ctl("set", "speed", "no")
    refused(alice, ["speed", "gw", "--time", "1s"], 5, "answers no measurement")
    gw.ctl("set", "speed", "yes")


# --- all ---

def scenario(lab):
    coord = coordinator(lab)
    office = lab.home("office", "A")
    alice, gw = join(lab, coord, lab.home("home", "A").host("alice"), office.host("gw"))
    nas = office.host("nas")
    prefix, address = f"{office.lan}.0/24", nas.address()
    alice.reaches(gw)
    alice.ping(gw, until_direct=True, timeout_s=15)
    try_large(alice, gw.ns, gw.address(), "gw", 7001)
    try_large(alice, gw.ns, gw.address(6), "gw.lab.internal", 7002)
    try_nc_refusals(alice)
    try_speed(alice, gw, "direct")
    try_speed_limits(alice, gw)
    try_speed_off(alice, gw)
    alice.ctl("set", "path", "gw", "relay")
    alice.wait_path(gw, "relay")
    try_speed(alice, gw, "relay")
    alice.ctl("set", "path", "gw", "auto")
    coord.set_policy({"rules": [{"allow": ["*"], "to": ["*:*", f"{prefix}:*"]}]})
    try_states(coord, alice, gw, prefix, address)
    try_names(coord, alice, nas, address)
    try_large(alice, nas, address, "nas", 7003)
    try_ssh(alice, nas, address)
    try_conflict(alice, prefix)
    try_exit(coord, alice, gw)
    try_bad_settings(alice)
