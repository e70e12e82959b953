"""Several coordinators of one network on a PostgreSQL of the scenario's own."""

import os
import shutil

from .command import check, run
from .warren import Coordinator
from .world import ROOT

KEYS = ("coordinator.key", "authority.key")


class Database:
    """Debian's PostgreSQL, on a Unix socket that all namespaces reach."""

    def __init__(self):
        self.dir = "/run/database"
        self.script = os.path.join(ROOT, "tests", "support", "postgres")
        self.start()
        self.file = "/run/database.place"
        with open(self.file, "w", encoding="ascii") as file:
            file.write(f"host={self.dir} user=postgres dbname=postgres\n")
        os.chmod(self.file, 0o600)

    def start(self):
        run([self.script, "start", self.dir], timeout_s=40)

    def stop(self):
        run([self.script, "stop", self.dir])


class Shared(Coordinator):
    """One of several coordinators: the first makes the network, others get copies of its keys."""

    def __init__(self, lab, ns, database, first=None):
        self.lab, self.ns, self.database = lab, ns, database
        self.binary = lab.bin("warren-coord")
        self.data = f"/run/{ns.name}-data"
        self.public = ns.address(4)
        self.options = ("--database-file", database.file, "--public", self.public)
        if first is None:
            said = ns.run(self.binary, "init", "--data", self.data, "--public", self.public,
                          "--name", "lab", "--database-file", database.file).stdout
            self.token = said.strip().splitlines()[-1]
            check(self.token.startswith("warren1-"), f"init printed no token: {said}")
        else:
            os.mkdir(self.data, 0o700)
            for name in KEYS:
                shutil.copy2(os.path.join(first.data, name), self.data)
            self.token = first.token
        self.start()


def three(lab):
    """A database and three coordinators on servers of their own. The first one's token was made
    when it was alone."""
    database = Database()
    servers = [lab.server(f"coord{i}") for i in (1, 2, 3)]
    first = Shared(lab, servers[0], database)
    return database, [first, *(Shared(lab, ns, database, first) for ns in servers[1:])]


def only(node_ns, coordinators, wanted):
    """Lets a machine reach one of the coordinators alone."""
    for coordinator in coordinators:
        if coordinator is not wanted:
            node_ns.ip(f"route add blackhole {coordinator.public}/32")


def any_of(node_ns, coordinators, wanted):
    """Takes it back."""
    for coordinator in coordinators:
        if coordinator is not wanted:
            node_ns.ip(f"route del blackhole {coordinator.public}/32")
