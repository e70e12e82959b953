"""Strict mode: without the admins' signatures the coordinator lets nobody in and changes nothing.

    alice ── router A ── internet ── router A ── bob, carol
                            └── coord (with relay), from which the signing key is taken away
"""

import json
import os
import time

from lab.command import check, wait_until
from lab.warren import Node, coordinator, join

DENY_SSH = {"rules": [{"allow": ["group:trusted"], "to": ["group:trusted:*"]},
                      {"deny": ["*"], "to": ["*:tcp/22", "*:icmp"]}]}


def admin_key(coord, name):
    """A key of an admin's own: the file, and its public half."""
    path = f"/run/{coord.ns.name}-{name}.key"
    return path, coord.ns.run(coord.binary, "authority", "keygen", path).stdout.strip()


def sign_offline(coord, *keys):
    """As admins do it who trust neither the coordinator nor its machine: by files, and in turn."""
    text = coord.admin("authority", "requests").stdout
    said = ""
    for key in keys:
        done = coord.ns.run(coord.binary, "authority", "sign", "--key", key, "--yes", stdin=text)
        text, said = done.stdout, said + done.stderr
    return coord.admin("authority", "submit", stdin=text).stdout, said


def waiting(coord):
    said = json.loads(coord.admin("authority", "show", "--json").stdout)
    return [entry["what"] for entry in said["waiting"]]


def scenario(lab):
    coord = coordinator(lab)
    alice, bob = join(lab, coord, lab.home("home1", "A").host("alice"),
                      lab.home("home2", "A").host("bob"))
    alice.reaches(bob)
    keys = [admin_key(coord, name) for name in ("ann", "ben", "cay")]
    authority = f"/run/{coord.ns.name}-authority.key"
    coord.admin("authority", "export", authority, "--threshold", "2",
                *[word for _, public in keys for word in ("--signer", public)])
    check(not os.path.exists(f"{coord.data}/authority.key"), "the key is still at the coordinator")
    check(os.stat(authority).st_mode & 0o077 == 0, "others may read the exported key")
    check("strict" in coord.admin("authority", "show").stdout, "show does not say strict")
    coord.admin("authority", "export", authority + "2", expect=1)
    alice.reaches(bob)

    # A new machine waits for two of three.
    carol = Node(lab, lab.home("home3", "A").host("carol"))
    carol.up(coord.key("--group", "trusted"), timeout_s=2, expect=4)
    check(carol.status()["state"] == "needs-approval", "carol does not wait")
    check(waiting(coord) == ["certificate of carol"], f"waiting: {waiting(coord)}")
    said, shown = sign_offline(coord, keys[0][0])
    check("more are wanted" in said and "NEW machine" in shown, f"{said} {shown}")
    check(carol.status()["state"] == "needs-approval", "one signature of two let carol in")
    said, _ = sign_offline(coord, keys[0][0], keys[0][0])
    check("in force" not in said, "an admin's signature counted twice")
    said, _ = sign_offline(coord, keys[2][0])
    check("certificate of carol: in force" in said, said)
    carol.up(timeout_s=20)
    carol.reaches(alice)

    # The policy changes when it is signed, and not before; after a restart of all likewise.
    coord.set_policy(DENY_SSH)
    time.sleep(1)
    check(alice.ns.ping(bob.address()), "a policy that nobody signed is obeyed")
    coord.process.kill()
    coord.start()
    said, shown = sign_offline(coord, keys[1][0], keys[2][0])
    check("policy v2: in force" in said and "tcp/22" in shown, f"{said} {shown}")
    wait_until("the signed policy is obeyed", lambda: not alice.ns.ping(bob.address()), 10)
    bob.process.kill()
    bob.start()
    time.sleep(1)
    check(not alice.ns.ping(bob.address()), "after a restart the policy is forgotten")
    coord.set_policy({"rules": [{"allow": ["*"], "to": ["*:*"]}]})
    coord.admin("authority", "sign", "--key", keys[0][0], "--yes")
    coord.admin("authority", "sign", "--key", keys[1][0], "--yes")
    alice.reaches(bob)

    # Revoked at once; signed for good.
    coord.admin("node", "revoke", "carol")
    wait_until("alice forgets carol", lambda: alice.peer("carol") is None, 5)
    check(waiting(coord) == ["revocations v2"], f"waiting: {waiting(coord)}")
    coord.admin("authority", "sign", "--key", authority, "--yes")
    check(not waiting(coord), "the authority's own signature is not enough")

    backup = f"/run/{coord.ns.name}-backup"
    coord.admin("backup", backup)
    with open(authority, "rb") as file:
        secret = file.read().strip()
    with open(backup, "rb") as file:
        check(secret not in file.read(), "the backup holds the authority's key")

    # A lost record of versions is no way to bring old documents back.
    bob.process.kill()
    os.unlink(f"{bob.state}/documents")
    bob.start()
    line = wait_until("status says what is missing", lambda: next(
        (text for text in bob.status()["health"] if "documents is missing" in text), None), 10)
    check("none is believed" in line, line)
    check(not bob.peer("alice"), "bob obeys documents without knowing the older ones")
