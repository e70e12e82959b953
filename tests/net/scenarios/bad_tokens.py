"""Tokens that are mistyped, used, expired, revoked, or lead nowhere: one clear line each.

    alice ── router A ── internet ── coord
"""

import time

from lab.command import check
from lab.warren import Node, coordinator


def refused(node, token, status, what, states=("needs-login", "stopped")):
    """up must end with this status, say one line on standard error, and leave no member behind."""
    done = node.up(token, timeout_s=6, expect=None)
    said = done.stderr.strip()
    check(done.returncode in status, f"{what}: status {done.returncode}, not {status}: {said}")
    check(len(said.splitlines()) == 1, f"{what}: not one line: {said!r}")
    check(token not in said, f"{what}: the token is printed")
    print(f"{what}: {done.returncode}, {said}")
    check(node.status()["state"] in states, f"{what}: {node.status()['state']}")
    return said


def scenario(lab):
    coord = coordinator(lab)
    home = lab.home("home", "A")
    alice, bob = Node(lab, home.host("alice")), Node(lab, home.host("bob"))

    middle = len(coord.token) // 2
    typo = coord.token[:middle] + ("A" if coord.token[middle] != "A" else "B") + coord.token[middle + 1:]
    refused(alice, typo, (1, 2), "mistyped")
    refused(alice, coord.token[:-4], (1, 2), "cut short")
    refused(alice, "hunter2", (1, 2), "no token at all")

    once = coord.key("--group", "trusted")
    bob.up(once)
    refused(alice, once, (4, 6), "used")

    key = coord.key("--name", "doomed")
    line = next(l for l in coord.admin("key", "list").stdout.splitlines() if "doomed" in l)
    coord.admin("key", "revoke", line.split()[0])
    refused(alice, key, (4, 6), "revoked")

    brief = coord.key("--expires", "1s")
    time.sleep(2.2)
    refused(alice, brief, (4, 6), "expired")

    # Another coordinator at the address the token pins: it does not have the key.
    good = coord.key("--group", "trusted")
    coord.process.kill()
    # The coordinator may come back, so the daemon goes on trying; but it says why it waits.
    refused(alice, good, (3, 5), "coordinator unreachable", ("connecting",))
    coord.ns.run("mv", coord.data, coord.data + ".away")
    other = coordinator_again(coord)
    said = refused(alice, good, (3, 5, 6), "coordinator with another key", ("connecting",))
    check("not the coordinator of this token" in said, f"no word about the key: {said}")
    other.kill()
    coord.ns.run("rm", "-rf", coord.data)
    coord.ns.run("mv", coord.data + ".away", coord.data)
    coord.start()
    alice.up(good)
    check(alice.status()["state"] == "connected", "a good token is refused after bad ones")


def coordinator_again(coord):
    """A fresh coordinator in the same place."""
    coord.ns.run(coord.binary, "init", "--data", coord.data, "--public", coord.ns.address(4))
    process = coord.ns.start("impostor", coord.binary, "serve", "--data", coord.data)
    process.wait_log("ready")
    return process
