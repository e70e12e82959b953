"""A machine with two networks changes between them while traffic flows: the other one becomes the
better way with both up, one is switched off, and comes back.

    alice ─ Wi-Fi router (A) ─┐
      └──── LTE router (A) ───┴─ internet ── router A ── bob
                                    └── coord (with relay)
"""

from lab.roaming import Fast, Roamer, check_switch

# Twice what the bench asks for: a test shares its cores with others.
GAP_MS = 1000
DIRECT_MS = 2000


def scenario(lab):
    world = Roamer(lab, delay_ms=10)
    world.route(0, 300)
    world.up(1, 700)
    world.meet()
    stream = Fast(world.alice, world.bob)
    for name, change in (
            ("Wi-Fi to LTE with both up", lambda: world.route(0, 900)),
            ("and back", lambda: world.route(0, 300)),
            ("Wi-Fi is switched off", lambda: world.down(0)),
            ("Wi-Fi comes back", lambda: world.up(0, 300)),
            ("LTE is gone", lambda: world.down(1)),
    ):
        check_switch(name, world.measure(change, stream), GAP_MS, DIRECT_MS)
    stream.stop()
