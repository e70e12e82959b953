"""UDP between two homes is policed: the relay delivers better and carries the conversation, until the
direct path does again. And where both ways are as bad, nothing is gained by the relay.

    alice ── router A ── internet (loses a part of UDP between the homes) ── router A ── bob
                            └── coord (with relay)
"""

import time

from lab.command import check
from lab.warren import Stream, transfer, two_homes

POLICE = """table ip police {
    chain forward {
        type filter hook forward priority 0;
        ip saddr { 198.51.2.2, 198.51.3.2 } ip daddr { 198.51.2.2, 198.51.3.2 } meta l4proto udp %s drop
    }
}
"""
LOSS = "numgen random mod 100 < 30"
TRICKLE = "limit rate over 60 kbytes/second burst 20 kbytes"


def mend(lab):
    lab.internet.run("nft", "delete", "table", "ip", "police")


def lossy(lab, alice, bob):
    stream = Stream(alice, bob)
    time.sleep(1)
    lab.internet.nft(POLICE % LOSS)
    start = time.time()
    for node, other in ((alice, bob), (bob, alice)):
        peer = node.wait_path(other, "relay", 20)
        check(peer["reason"] in ("throttled", "silence"), f"the reason is {peer['reason']}")
    left = time.time() - start
    since = time.time()
    time.sleep(2)
    numbers = [number for at, number in stream.answers() if at > since]
    share = len(numbers) / (numbers[-1] - numbers[0] + 1)
    check(share > 0.95, f"by relay only {share:.0%} of the packets are answered")
    mend(lab)
    start = time.time()
    alice.wait_path(bob, "direct", 45)
    bob.wait_path(alice, "direct", 45)
    print(f"30 % loss: by relay after {left:.1f} s, direct {time.time() - start:.1f} s after it was mended")
    stream.stop()


def scenario(lab):
    _, alice, bob = two_homes(lab, "A", "A")
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    bob.wait_path(alice, "direct")
    lossy(lab, alice, bob)
    lab.internet.nft(POLICE % TRICKLE)
    start = time.time()
    transfer(alice, bob, size_mib=4, timeout_s=45)
    print(f"60 kB/s: 4 MiB in {time.time() - start:.1f} s")
    mend(lab)
