"""A plain WireGuard tunnel over a wire that does everything a wire should not.

    left (warrend --standalone) ── impair ── internet ── right (warrend --standalone)
"""

from lab.command import check
from lab.wireguard import Device

LINE = "delay_ms=5 jitter_ms=2 loss=3 reorder=3 duplicate=3 corrupt=2"


def scenario(lab):
    left, right = lab.host("left"), lab.server("right")
    wire = lab.attach(left, impair="delay_ms=5")
    near = Device(lab, left, "wgleft", "warren", inner=["10.9.0.1", "fd09::1"])
    far = Device(lab, right, "wgright", "warren", inner=["10.9.0.2", "fd09::2"])
    near.add(far, endpoint=f"{far.outer()}:51820")
    far.add(near)
    for address in ("10.9.0.2", "fd09::2"):
        check(left.ping(address, count=3, timeout_s=5), f"{address} does not answer on a good wire")
    wire.write(LINE)
    with open("/run/file", "wb") as file:
        file.write(lab.random.randbytes(2 << 20))
    server = right.start("http", "python3", "-u", "-m", "http.server", "8080", "--bind", "10.9.0.2",
                         "--directory", "/run")
    server.wait_log("Serving")
    left.run("curl", "-sSf", "--max-time", "90", "-o", "/run/got", "http://10.9.0.2:8080/file", timeout_s=95)
    left.run("cmp", "/run/file", "/run/got")
    out = left.run("ping", "-n", "-q", "-i", "0.01", "-c", "300", "10.9.0.2", expect=None).stdout
    lost = float(out.split("% packet loss")[0].split()[-1])
    print(f"file whole; {lost:g} % of pings lost")
    # 3 % lost and 2 % corrupted each way; far more would be the tunnel's own doing.
    check(lost < 20, f"{lost} % lost")
    # What was duplicated on the wire must not come twice out of the tunnel.
    check("duplicates" not in out, f"replayed packets were delivered: {out}")
    check(near.process.running() and far.process.running(), "a daemon ended")
