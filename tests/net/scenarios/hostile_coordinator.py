"""Strict mode, and somebody has taken over the coordinator with all its keys: whatever he tells alice about
bob is refused, status says which, and what alice held before goes on.

    alice ── router A ── internet ── router A ── bob
                            └── coord (with relay): at first the real one, then tests/net/tools/hostile_coord.c
"""

import json
import os
import time

from lab.command import check, wait_until
from lab.warren import coordinator, join

# What he does, and what alice's status says of it.
ATTACKS = (
    ("swap-wireguard-key", "a certificate of bob that the authority did not sign"),
    ("swap-box-key", "a certificate of bob that the authority did not sign"),
    ("swap-device-key", "a certificate of bob that the authority did not sign"),
    ("swap-address", "a certificate of bob that the authority did not sign"),
    ("add-tag", "a certificate of bob that the authority did not sign"),
    ("swap-name", "a certificate of somebody that the authority did not sign"),
    ("longer-life", "a certificate of bob that the authority did not sign"),
    ("own-signature", "a certificate of bob that the authority did not sign"),
    ("other-network", "a certificate of bob of another network"),
    ("old-cert", "an older certificate of bob"),
    ("old-map", "an older map"),
    ("other-node", "not signed for this node"),
    ("map-of-another-network", "a map of another network"),
    ("unsigned-map", "not signed for this node"),
    ("flip", "coordinator: offered"),
    ("old-policy", "an older policy (v2, we hold v3)"),
    ("own-policy", "a policy (v4) that not enough signers signed"),
    ("policy-of-another-network", "a policy of another network"),
    ("fork", "a forked policy (another v3 than the one we hold)"),
    ("flip-policy", "coordinator: offered"),
    ("own-trust", "a trust (v2) that the authority did not sign"),
)
CLOSED = {"rules": [{"allow": ["*"], "to": ["*:icmp"]}]}
OPEN = {"rules": [{"allow": ["*"], "to": ["*:icmp"]}, {"allow": ["*"], "to": ["*:tcp/9"]}]}


def tell(coord, words):
    """What the hostile coordinator does from its next second on."""
    path = f"/run/{coord.ns.name}-attack"
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(words)
    os.rename(path + ".new", path)


def health(node):
    return " | ".join(node.status()["health"])


def take_over(lab, coord, signer):
    coord.process.terminate()
    tell(coord, "")
    coord.process = coord.ns.start(coord.ns.name + "-hostile", "env", f"HOSTILE_ATTACK=/run/{coord.ns.name}-attack",
                                   f"HOSTILE_SIGNER={signer}", lab.built("release/tests/net/tools/hostile_coord"),
                                   "serve", "--data", coord.data)
    coord.process.wait_log("ready")


def sign(coord, key):
    coord.admin("authority", "sign", "--key", key, "--yes")


def scenario(lab):
    coord = coordinator(lab)
    alice, bob = join(lab, coord, lab.home("home1", "A").host("alice"), lab.home("home2", "A").host("bob"))
    authority = f"/run/{coord.ns.name}-authority.key"
    coord.set_policy(OPEN)
    coord.admin("authority", "export", authority)
    alice.reaches(bob)
    take_over(lab, coord, authority)
    wait_until("all are back", lambda: all(n.status()["coordinator"]["state"] == "ok" for n in (alice, bob)), 15)

    # What was true once: an older policy, and an older certificate of bob.
    coord.set_policy(CLOSED)
    sign(coord, authority)
    tell(coord, "remember alice bob")
    time.sleep(1.2)
    tell(coord, "")
    coord.set_policy(OPEN)
    for old, new in (("bob", "robert"), ("robert", "bob")):
        coord.admin("node", "rename", old, new)
        sign(coord, authority)
    wait_until("the newer policy is obeyed", lambda: json.loads(coord.admin("authority", "show", "--json").stdout)
               ["waiting"] == [], 10)
    time.sleep(1.2)
    check(health(alice) == "", f"before any attack: {health(alice)}")

    for attack, says in ATTACKS:
        tell(coord, f"{attack} alice bob")
        wait_until(f"{attack}: status says '{says}'", lambda: says in health(alice), 6)
        check(alice.ns.ping(bob.address()), f"{attack}: alice lost bob, whom she knew")
        peer = alice.peer("bob")
        check(peer and peer["addresses"][0] == bob.address(), f"{attack} changed bob: {peer}")
        check(coord.process.running(), f"{attack}: the tool ended: {coord.process.log()[-300:]}")
        tell(coord, "")
        wait_until(f"after {attack} the truth is believed", lambda: health(alice) == "", 6)

    # Frozen: alice gets nothing any more. She hears of the newer policy from bob, and has it from him.
    tell(coord, "freeze alice bob")
    time.sleep(1.2)
    coord.set_policy(CLOSED)
    sign(coord, authority)
    alice.reaches(bob)
    wait_until("status says that the coordinator keeps the newer policy back", lambda:
               "bob holds policy v4" in health(alice), 40)
    wait_until("she has it from bob", lambda: "kind=policy version=4 from=bob" in alice.process.log(), 5)
