"""What people type to get at private things: nc as ssh's ProxyCommand, speed, routes, whois, status.

    alice ── router A ── internet ── office router A ──┬── gw (carries the office's network)
                            └── coord (with relay)     └── nas (plain host: sshd, nothing of ours)
"""

import hashlib
import json
import os
import socket
import threading

from lab.command import check, run, tool, wait_until
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


# --- all ---

def scenario(lab):
    coord = coordinator(lab)
    office = lab.home("office", "A")
    alice, gw = join(lab, coord, lab.home("home", "A").host("alice"), office.host("gw"))
    nas = office.host("nas")
    alice.reaches(gw)
    alice.ping(gw, until_direct=True, timeout_s=15)
    try_large(alice, gw.ns, gw.address(), "gw", 7001)
    try_large(alice, gw.ns, gw.address(6), "gw.lab.internal", 7002)
    try_large(alice, gw.ns, gw.address(), gw.address(), 7003)
    try_nc_refusals(alice)
    try_speed(alice, gw, "direct")
    try_speed_limits(alice, gw)
    alice.ctl("set", "path", "gw", "relay")
    alice.wait_path(gw, "relay")
    try_speed(alice, gw, "relay")
    alice.ctl("set", "path", "gw", "auto")
