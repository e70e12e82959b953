"""Lines that lose 5 % in each direction, with delay and jitter: still joined, direct and whole.

    alice ── router A ── 5 % loss ── internet ── 5 % loss ── router A ── bob
                                         └── coord (with relay)
"""

from lab.command import check
from lab.warren import Stream, transfer, two_homes


def scenario(lab):
    _, alice, bob = two_homes(lab, "A", "A", impair="delay_ms=10 jitter_ms=2 loss=5")
    alice.reaches(bob, 20)
    alice.ping(bob, until_direct=True, timeout_s=30)
    alice.wait_path(bob, "direct", 30)
    stream = Stream(alice, bob)
    rate = transfer(alice, bob, size_mib=1, timeout_s=90)
    check(stream.gap_s() < 3, f"the stream stood still for {stream.gap_s():.1f} s")
    print(f"1 MiB whole at {rate:.2f} MiB/s; longest gap {stream.gap_s():.2f} s, lost {stream.lost()}")
    alice.wait_path(bob, "direct")
    stream.stop()
