"""The lab's routers behave as their letters say, in the eyes of a classifier nobody here wrote.

    client ── router (A, B, C, D, E) ── internet ── stun (coturn, two addresses, two ports)
"""

import concurrent.futures

from lab.command import check, tool

ENDPOINT = "Endpoint Independent"
ADDRESS = "Address Dependent"
BOTH = "Address and Port Dependent"

EXPECTED = {
    "A": (ENDPOINT, BOTH),
    "B": (BOTH, BOTH),
    "C": (ENDPOINT, ENDPOINT),
    "D": (ENDPOINT, ADDRESS),
    "E": (ADDRESS, BOTH),
}


def start_stun(lab):
    server = lab.server("stun")
    first = server.address(4)
    second = first.rsplit(".", 1)[0] + ".3"
    server.ip(f"addr add {second}/24 dev wan")
    coturn = server.start("coturn", tool("turnserver"), "-S", "-n", "--no-cli", "--no-tls",
                          "--no-dtls", "--pidfile", "/run/coturn.pid", "--log-file", "stdout",
                          "--simple-log", "-L", first, "-L", second,
                          "--db", "/run/coturn.db")
    coturn.wait_log("SQLite DB connection success", 10)
    return first


def classify(host, stun):
    # Filtering first: the mapping test sends to the other addresses and opens the filter for them.
    words = [tool("turnutils_natdiscovery")]
    filtering = host.run(*words, "-f", stun, expect=None, timeout_s=60).stdout
    mapping = host.run(*words, "-m", stun, expect=None, timeout_s=60).stdout
    return mapping, filtering


def check_kind(kind, host, stun):
    wanted = f"{EXPECTED[kind][0]} Mapping", f"{EXPECTED[kind][1]} Filtering"
    for want, seen in zip(wanted, classify(host, stun)):
        check(f"NAT with {want}!" in seen, f"{kind}: not {want}:\n{seen}")
    print(f"{kind}: {wanted[0]}, {wanted[1]}")


def scenario(lab):
    stun = start_stun(lab)
    hosts = {kind: lab.home(f"home{kind}", kind).host(f"client{kind}") for kind in EXPECTED}
    # Each takes some seconds of waiting for answers that a filter drops.
    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
        waiting = [pool.submit(check_kind, kind, host, stun) for kind, host in hosts.items()]
        for done in waiting:
            done.result()
