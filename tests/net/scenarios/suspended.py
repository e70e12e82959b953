"""The daemon stands still for a while, as when a laptop sleeps: on one whose router has forgotten it
meanwhile, and whose network is another one when it wakes up.

    alice ─eth0─ router A ──┐
      └────eth1─ router A ──┴─ internet ── router A ── bob
                                  └── coord (with relay)
"""

import signal
import time

from lab.command import check, wait_until
from lab.roaming import Fast, Roamer

ASLEEP_S = 4
GAP_MS = 1500


def sleep(world, meanwhile):
    process = world.alice.process.popen
    process.send_signal(signal.SIGSTOP)
    time.sleep(ASLEEP_S)
    meanwhile()
    woken = time.time()
    process.send_signal(signal.SIGCONT)
    return woken


def scenario(lab):
    world = Roamer(lab, delay_ms=10)
    world.meet()
    stream = Fast(world.alice, world.bob)

    def forgotten():
        world.homes[0].forget_mappings()

    def another_network():
        world.down(0)
        world.up(1)

    for name, meanwhile in (("the router has forgotten it", forgotten),
                            ("another network", another_network)):
        woken = sleep(world, meanwhile)
        gap = 1e3 * wait_until("answers", lambda: stream.first_after(woken), 8, 0.005)
        wait_until("direct again", lambda: (world.alice.peer(world.bob) or {}).get("path") == "direct"
                   and world.has_moved({}), 8, 0.01)
        direct = 1e3 * (time.time() - woken)
        print(f"{name}: answers after {gap:.0f} ms, direct after {direct:.0f} ms")
        check(gap <= GAP_MS, f"{name}: {gap:.0f} ms without an answer after waking up")
        check(world.alice.process.log().count("info back away_ms="), "the absence was not noticed")
    coordinator = wait_until("the coordinator is there", lambda:
                             world.alice.status()["coordinator"]["state"] == "ok", 8)
    check(coordinator, "no coordinator")
    stream.stop()
