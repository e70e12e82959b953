"""A machine whose clock is days off joins and works all the same, and status says what is wrong.

    alice, three days late ── internet ── bob
                                  └── coord (with relay)
"""

import os

from lab.command import check, run
from lab.warren import Node, coordinator

SHIM = r"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int ret = (int)syscall(SYS_clock_gettime, id, ts);

	if (ret == 0 && id == CLOCK_REALTIME)
		ts->tv_sec -= 3 * 86400 + 60;
	return ret;
}
"""


def scenario(lab):
    run(["cc", "-shared", "-fPIC", "-o", "/run/late.so", "-x", "c", "-"], stdin=SHIM)
    coord = coordinator(lab)
    alice, bob = Node(lab, lab.server("alice"), start=False), Node(lab, lab.server("bob"))
    options = os.environ.get("ASAN_OPTIONS", "")
    alice.process = alice.ns.start("alice", lab.bin("warrend"), "--state", alice.state, "--socket",
                                   alice.control, "--tun", alice.tun,
                                   env={**os.environ, "LD_PRELOAD": "/run/late.so",
                                        "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0"})
    alice.process.wait_log("ready")
    for node in (alice, bob):
        node.up(coord.token)
    alice.reaches(bob)
    check("this machine's clock is 3 d off; set it" in alice.status()["health"],
          f"alice's health: {alice.status()['health']}")
    check(not bob.status()["health"], f"bob's health: {bob.status()['health']}")
