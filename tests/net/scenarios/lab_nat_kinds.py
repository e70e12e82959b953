"""The lab's routers behave as their letters say, in the eyes of a classifier nobody here wrote.

    client ── router (A, B, C, D, E, S) ── internet ── stun (coturn, two addresses, two ports)
    client ── router A or B ── router A ──┘
"""

import concurrent.futures
import re

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
    "S": (BOTH, BOTH),
    "AA": (ENDPOINT, BOTH),  # the second letter is the router behind
    "BA": (BOTH, BOTH),
    "AB": (BOTH, BOTH),
}
LIFETIME_S = 3


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


def check_lifetime(host, stun):
    """The classifier asks the server to answer to the first socket's mapping after a while."""
    for seconds, lives in ((1, True), (LIFETIME_S + 2, False)):
        said = host.run(tool("turnutils_natdiscovery"), "-t", "-T", seconds, stun, expect=None,
                        timeout_s=60).stdout
        check(("RFC 5780 response 2" in said) == lives, f"idle for {seconds} s, expected {lives}:\n{said}")


def mapped_port(host, stun):
    """Of port 4100, which has the same mapping to any server."""
    said = host.run(tool("turnutils_natdiscovery"), "-m", "-L", host.address(4), "-l", 4100, stun,
                    expect=None, timeout_s=60).stdout
    check("Endpoint Independent Mapping!" in said, f"not endpoint-independent:\n{said}")
    return re.search(r"reflexive addr: [\d.]+:(\d+)", said).group(1)


def check_ports(shared, changing, stun):
    """Two hosts with one source port get two mappings; a router with epochs gives other ports."""
    first, second = (mapped_port(shared.host(f"sharing{i}"), stun) for i in (1, 2))
    check(first == "4100" != second, f"two hosts with one port are mapped to {first} and {second}")
    host = changing.host("changing")
    before = mapped_port(host, stun)
    changing.forget_mappings()
    check(mapped_port(host, stun) != before, f"forgotten, and still {before}")


def hairpinned(home, name):
    """From whom a packet comes that one host sends to another's public address; None: it does not."""
    here, there = (home.host(f"{name}{i}") for i in (1, 2))
    with here.socket() as source, there.socket() as target:
        for sock, port in ((source, 4001), (target, 4002)):
            sock.bind(("0.0.0.0", port))
            sock.settimeout(0.5)
            sock.sendto(b"out", ("198.51.1.2", 9))
        source.sendto(b"back in", (home.public_address(), 4002))
        try:
            return target.recvfrom(100)[1]
        except (TimeoutError, ConnectionRefusedError):
            return None


def scenario(lab):
    stun = start_stun(lab)
    hosts = {}
    for kind in EXPECTED:
        home = lab.home(f"home{kind}", kind[-1])
        if len(kind) == 2:
            home = lab.home(f"inner{kind}", kind[0], behind=home)
        hosts[kind] = home.host(f"client{kind}")
    short = lab.home("short", "A", lifetime_s=LIFETIME_S).host("shorthost")
    shared, changing = lab.home("shared", "A"), lab.home("changing", "A", epoch=1)
    # Each takes some seconds of waiting for answers that a filter drops.
    with concurrent.futures.ThreadPoolExecutor(len(hosts) + 2) as pool:
        waiting = [pool.submit(check_kind, kind, host, stun) for kind, host in hosts.items()]
        waiting.append(pool.submit(check_lifetime, short, stun))
        waiting.append(pool.submit(check_ports, shared, changing, stun))
        for done in waiting:
            done.result()
    for hairpin in (True, False):
        home = lab.home(f"hairpin{hairpin}", "A", hairpin=hairpin)
        want = (home.public_address(), 4001) if hairpin else None
        seen = hairpinned(home, f"hair{hairpin}")
        check(seen == want, f"hairpin {hairpin}: from {seen}, not {want}")
