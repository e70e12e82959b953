"""Strict mode with certificates that live 12 s: they are renewed at a third of their life without a
lost packet, a WireGuard key changes only once its certificate is signed while traffic goes on, and who is
not renewed is cut off, said in status, and comes back with a new certificate.

    alice ── router A ── internet ── router A ── bob
                            └── coord (with relay)
"""

import base64
import json
import time

from lab.command import check, wait_until
from lab.warren import Stream, coordinator, join

LIFE_S = 12
GAP_S = 1.0


def waiting(coord):
    return json.loads(coord.admin("authority", "show", "--json").stdout)["waiting"]


def sign(coord, key):
    coord.admin("authority", "sign", "--key", key, "--yes")


def sign_only(coord, key, name):
    """As an admin away from the coordinator would, who leaves out what she does not want to sign."""
    bundle = json.loads(coord.admin("authority", "requests").stdout)
    bundle["requests"] = [r for r in bundle["requests"] if name.encode() in base64.urlsafe_b64decode(r["body"] + "==")]
    check(len(bundle["requests"]) == 1, f"requests for {name}: {bundle['requests']}")
    signed = coord.ns.run(coord.binary, "authority", "sign", "--key", key, "--yes", stdin=json.dumps(bundle)).stdout
    coord.admin("authority", "submit", stdin=signed)


def own_key(node):
    return node.ns.run("wg", "show", node.tun, "public-key").stdout.strip()


def knows(node, key):
    return key in node.ns.run("wg", "show", node.tun, "peers").stdout.split()


def health(node):
    return " | ".join(node.status()["health"])


def certificates(coord):
    return sorted(request["what"] for request in waiting(coord) if "certificate" in request["what"])


def scenario(lab):
    coord = coordinator(lab)
    alice, bob = join(lab, coord, lab.home("home1", "A").host("alice"), lab.home("home2", "A").host("bob"))
    authority = f"/run/{coord.ns.name}-authority.key"
    coord.admin("authority", "export", authority, "--cert-life", f"{LIFE_S}s")
    alice.reaches(bob)
    wait_until("a direct path", lambda: alice.peer("bob")["path"] == "direct", 15)
    # Rotation: the new key waits with its certificate, and traffic goes on with the old one.
    old = own_key(bob)
    stream = Stream(alice, bob)
    bob.ctl("rotate-key", expect=None)
    wait_until("bob's new key waits for a signature", lambda: certificates(coord) == ["certificate of bob"], 5)
    time.sleep(1)
    check(own_key(bob) == old and knows(alice, old), "bob's key changed before anybody had signed it")
    check(stream.lost() == 0 and stream.gap_s() < 0.3, f"traffic stopped while a signature is awaited: {stream.gap_s()}")
    sign(coord, authority)
    wait_until("bob has a new key", lambda: own_key(bob) != old, 5)
    wait_until("alice knows it", lambda: knows(alice, own_key(bob)) and not knows(alice, old), 5)
    time.sleep(1)
    stream.stop()
    check(stream.gap_s() <= GAP_S, f"{stream.gap_s():.2f} s without an answer when the key changed")

    # From here on everybody's certificate lives shortly.
    for node in (alice, bob):
        coord.admin("node", "rename", node.name, node.name + "2")
    sign(coord, authority)
    begin = time.monotonic()
    alice.name, bob.name = "alice2", "bob2"
    wait_until("alice has bob's short one", lambda: alice.peer(bob), 5)

    # Renewed at a third of their life: nothing is lost.
    stream = Stream(alice, bob)
    both = ["certificate of alice2", "certificate of bob2"]
    wait_until("renewals are asked for", lambda: certificates(coord) == both, LIFE_S)
    asked = time.monotonic() - begin
    print(f"asked for after {asked:.1f} s of {LIFE_S}")
    check(asked < LIFE_S / 2, f"renewals are asked for after {asked:.1f} s of {LIFE_S}")
    sign(coord, authority)
    check(certificates(coord) == [], "signed, and still waiting")
    time.sleep(2)
    stream.stop()
    check(stream.lost() == 0, f"{stream.lost()} packets were lost over the renewal")
    check(health(alice) == "", f"after the renewal: {health(alice)}")

    # Not renewed: cut off, and status names it, until there is another.
    wait_until("the next renewals are asked for", lambda: certificates(coord) == both, LIFE_S)
    sign_only(coord, authority, "alice2")
    said = "the certificate of bob2 has expired"
    wait_until("alice cuts bob off and says why", lambda: said in health(alice), LIFE_S + 5)
    check(not alice.ns.ping(bob.address()), "bob answers with an expired certificate")
    sign(coord, authority)
    wait_until("bob is back with a new one", lambda: said not in health(alice) and alice.ns.ping(bob.address()), 10)
