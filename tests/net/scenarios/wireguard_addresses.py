"""Which addresses a plain device answers from, whose an inner address is, and where an endpoint goes.

    left ── internet ── right          left and right have four addresses each
      │                    │           (two of IPv4, two of IPv6)
    warrend              warrend, wireguard-go; third: warrend
"""

from lab.command import check, wait_until
from lab.wireguard import Device, bracketed

PORT = 51820
TIMEOUT_S = 60


def more_addresses(device, site):
    """A second address of either family on the outer interface."""
    device.ns.ip_batch([f"addr add 198.51.{site}.7/24 dev wan",
                        f"addr add 2001:db8:{site}::7/64 dev wan nodad"])
    return [device.outer(4), f"198.51.{site}.7", device.outer(6), f"2001:db8:{site}::7"]


def sticks(left, right, targets, what):
    """Whatever address was asked answers: the asking side would else see its endpoint move."""
    for target in targets:
        end = bracketed(target, PORT)
        left.set("peer", right.public, "endpoint", end)
        left.check_ping(right, f"{what}: to {target}", count=1)
        check(left.peer(right)["endpoint"] == end,
              f"{what}: asked at {end}, answered from {left.peer(right)['endpoint']}")
        # Also what the answering side begins itself goes by the address it was asked at.
        right.check_ping(left, f"{what}: back from {target}", count=1)
        check(left.peer(right)["endpoint"] == end,
              f"{what}: asked at {end}, asks from {left.peer(right)['endpoint']}")


def address_goes(left, right, site, what):
    """The address that was stuck to is taken away under the session; another takes over."""
    stuck = f"198.51.{site}.7"
    left.set("peer", right.public, "endpoint", bracketed(stuck, PORT))
    left.check_ping(right, f"{what}: before {stuck} goes")
    right.ns.ip(f"addr del {stuck}/24 dev wan")
    check(right.ns.ping(left.inner[0], count=2, timeout_s=3), f"{what}: {stuck} is gone, and all with it")
    wait_until(f"{what}: left follows to the address that is left",
               lambda: left.peer(right)["endpoint"] == bracketed(right.outer(4), PORT), 3)
    left.check_ping(right, f"{what}: after {stuck} went")
    right.ns.ip(f"addr add {stuck}/24 dev wan")


def overlapping(left, right, third, what):
    """The longest prefix owns an address, in both directions, whatever came first."""
    wide, narrow = "10.20.0.0/16", "10.20.3.0/24"
    right.ns.ip_batch([f"addr add 10.20.1.1/32 dev {right.tun}", f"addr add 10.20.3.9/32 dev {right.tun}"])
    third.ns.ip(f"addr add 10.20.3.1/32 dev {third.tun}")
    left.ns.ip(f"route replace {wide} dev {left.tun}")
    for first, second in ((right, third), (third, right)):
        for device in (first, second):
            prefix = wide if device is right else narrow
            left.set("peer", device.public, "allowed-ips", ",".join([prefix, *device.inner]))
        for address in ("10.20.1.1", "10.20.3.1"):
            check(left.ns.ping(address, timeout_s=3), f"{what}: {address} does not answer")
        # Right has this one, but the narrow prefix is the other's: neither asked nor heard.
        seen = third.peer(left)["rx"]
        check(not left.ns.ping("10.20.3.9"), f"{what}: the wide prefix answers in the narrow one")
        check(third.peer(left)["rx"] > seen, f"{what}: went to the wide prefix's owner")
        done = right.ns.run("ping", "-n", "-q", "-c", "1", "-W", "1", "-I", "10.20.3.9", left.inner[0],
                            expect=None)
        check(done.returncode != 0, f"{what}: the wide prefix's owner spoke for the narrow one")
    left.set("peer", third.public, "allowed-ips", ",".join(third.inner))
    check(left.ns.ping("10.20.3.9", timeout_s=3), f"{what}: the wide prefix does not take over")
    left.set("peer", right.public, "allowed-ips", ",".join(right.inner))


def moved_while_roaming(left, right, third, what):
    """What an owner lost it no longer speaks for; but it is authentic, so its endpoint follows."""
    left.set("peer", third.public, "allowed-ips", ",".join(third.inner + [right.inner[0]]))
    right.set("listen-port", "40777")
    check(not right.ns.ping(left.inner[0]), f"{what}: the old owner is still answered")
    check(left.peer(right)["endpoint"] == bracketed(right.outer(4), 40777),
          f"{what}: the endpoint stayed at {left.peer(right)['endpoint']}")
    check(left.ns.ping(right.inner[1], timeout_s=3), f"{what}: no answer at the new endpoint")
    right.set("listen-port", PORT)
    left.set("peer", right.public, "allowed-ips", ",".join(right.inner))
    right.check_ping(left, f"{what}: moved back")


def scenario(lab):
    left = Device(lab, lab.server("left"), "wgl", "warren", PORT, ["10.9.1.1", "fd09:1::1"])
    left_all = more_addresses(left, lab.sites)
    third = Device(lab, lab.server("third"), "wgt", "warren", PORT, ["10.9.3.1", "fd09:3::1"])
    left.add(third, bracketed(third.outer(4), PORT))
    third.add(left)
    for kind in ("warren", "go"):
        right = Device(lab, lab.server(f"right{kind}"), f"wgr{kind}", kind, PORT, ["10.9.2.1", "fd09:2::1"])
        site = lab.sites
        right_all = more_addresses(right, site)
        left.add(right, bracketed(right.outer(4), PORT))
        right.add(left)
        what = f"warren to {kind}"
        if kind == "warren":
            sticks(left, right, right_all, what)
            address_goes(left, right, site, what)
            overlapping(left, right, third, what)
            moved_while_roaming(left, right, third, what)
        right.set("peer", left.public, "endpoint", bracketed(left.outer(4), PORT))
        sticks(right, left, left_all, f"{kind} to warren")
        left.set("peer", right.public, "remove")
