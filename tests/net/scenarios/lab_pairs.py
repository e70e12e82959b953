"""Which pairs of homes find a direct path: an ICE agent nobody here wrote says what is possible, so
that a scenario that wants a relay, or none, wants the right thing.

    left ── router (A, C, D, B) ── internet ── router (A, B) ── right
                                      └── stun (coturn)
"""

import concurrent.futures
import json

from lab.command import check, wait_until
from lab.world import ROOT
from scenarios.lab_nat_kinds import start_stun

AGENT = f"{ROOT}/tests/net/tools/ice_agent.py"
EXPECTED = {"AA": True, "AD": True, "AC": True, "CB": True, "AB": False, "BB": False}


def line_of(process, *starts):
    running = process.running()  # asked first: what it says last is then in the log
    for line in process.log().splitlines():
        if line.startswith(starts):
            return line
    check(running, f"{process.name} ended: {process.log()[-500:]}")
    return None


def connects(name, left, right, stun):
    agents = [host.start(f"agent-{name}-{role}", AGENT, stun, role, stdin=True)
              for host, role in ((left, "controlling"), (right, "controlled"))]
    offers = [wait_until("candidates", lambda a=a: line_of(a, "{"), 15) for a in agents]
    agents[0].write(offers[1])
    agents[1].write(offers[0])
    said = [wait_until(f"{name}: an end", lambda a=a: line_of(a, "connected", "failed"), 30)
            for a in agents]
    kinds = {c.split()[7] for c in json.loads(offers[0])["candidates"]}
    check("srflx" in kinds, f"{name}: no server-reflexive candidate: {kinds}")
    return all(line.startswith("connected") for line in said)


def scenario(lab):
    stun = start_stun(lab)
    pairs = {}
    for name in EXPECTED:
        pairs[name] = [lab.home(f"{name.lower()}{side}", kind).host(f"{name.lower()}{side}h")
                       for side, kind in zip("lr", name)]
    with concurrent.futures.ThreadPoolExecutor(len(pairs)) as pool:
        waiting = {name: pool.submit(connects, name, *hosts, stun) for name, hosts in pairs.items()}
        for name, want in EXPECTED.items():
            got = waiting[name].result()
            # One success shows that a path is possible; one failure of that agent, all six at once,
            # does not show that none is.
            if want and not got:
                print(f"{name[0]}×{name[1]}: not at first")
                got = connects(f"{name}again", *pairs[name], stun)
            print(f"{name[0]}×{name[1]}: {'direct' if got else 'no direct path'}")
            check(got == want, f"{name}: direct is {got}, not {want}")
