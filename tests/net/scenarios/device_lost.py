"""The TUN device is deleted, set down, or robbed of its address: it is whole again within seconds,
with the same sessions and the same port; a plain WireGuard device that was deleted ends.

    alice ── internet ── bob
                 └────── coord (with relay)
"""

import time

from lab.command import check, wait_until
from lab.warren import coordinator, join
from lab.wireguard import Device

LIMIT_S = 3


def scenario(lab):
    coord = coordinator(lab)
    alice, bob = join(lab, coord, lab.server("alice"), lab.server("bob"))
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    endpoint = bob.wait_path(alice, "direct")["endpoint"]
    handshakes = alice.peer(bob)["last_handshake_s"]
    started = time.monotonic()
    for times, words in enumerate((f"link del {alice.tun}", f"link set {alice.tun} down",
                  f"addr del {alice.address()}/32 dev {alice.tun}",
                  f"-6 addr flush dev {alice.tun} scope global"), start=1):
        alice.ns.ip(words)
        start = time.monotonic()
        wait_until(f"something done about {words}",
                   lambda n=times: alice.process.log().count("device-configured") >= n, LIMIT_S)
        for family in (4, 6):
            wait_until(f"an answer by v{family} after {words}",
                       lambda f=family: alice.ns.ping(bob.address(f)), LIMIT_S)
        wait_until(f"a way back after {words}", lambda: bob.ns.ping(alice.address()), LIMIT_S)
        print(f"{words}: whole after {time.monotonic() - start:.2f} s")
    check(bob.wait_path(alice, "direct")["endpoint"] == endpoint, "alice's port is another")
    age = alice.peer(bob)["last_handshake_s"]
    check(age >= handshakes + int(time.monotonic() - started) - 1, f"the session is new: {age} s old")
    check(not alice.status()["health"], f"health: {alice.status()['health']}")

    alice.ctl("down")
    alice.ns.ip(f"link del {alice.tun}")
    wait_until("a device while down", lambda: alice.ns.device_exists(alice.tun), LIMIT_S)
    time.sleep(0.3)
    check("UP" not in alice.ns.run("ip", "link", "show", alice.tun).stdout.split("\n")[0].split(">")[0],
          "a device that is down came up by itself")
    alice.up()
    alice.reaches(bob)

    plain = Device(lab, lab.server("plain"), "wgplain", "warren", inner=["10.9.0.1"])
    plain.ns.ip("link del wgplain")
    wait_until("the end of warrend", lambda: not plain.process.running(), LIMIT_S)
    check(plain.process.popen.returncode == 1, f"status {plain.process.popen.returncode}")
    check("device-gone" in plain.process.log(), plain.process.log())
