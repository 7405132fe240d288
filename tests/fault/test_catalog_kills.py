"""kill -9 of a server that many clients write to: what was answered is there, what was not is there whole or not at all."""
import random
import threading
import time

import pytest

from botocore.exceptions import BotoCoreError  # noqa: E402
from catalog_model import Model, call, random_operation, read_back  # noqa: E402
from conftest import ended, started  # noqa: E402

CLIENTS, KILLS = 5, 6


class Client:
    """One client's own databases: the model of what was answered, and the operation that was not."""

    def __init__(self, server, n, seed):
        self.server, self.rng = server, random.Random(seed * 100 + n)
        self.names = [f"k{n}_{i}" for i in range(2)], ["t1", "t2"]
        self.model, self.pending, self.wrong, self.answered = Model(), None, None, 0

    def work(self):
        glue = self.server.client("glue", read_timeout=20)
        while True:
            op, p = random_operation(self.rng, self.model, self.names)
            after = self.model.copy()
            want = after.apply(op, p)
            self.pending = after
            try:
                got = call(glue, op, p)
            except BotoCoreError:
                return  # the server is gone
            if got != want:
                self.wrong = (op, p, want, got)
                return
            self.model, self.pending = after, None
            self.answered += 1

    def settle(self, glue):
        """Which of the two possible states it is; they are compared whole."""
        found = read_back(glue, lambda d: d in self.names[0])
        states = [self.model] + ([self.pending] if self.pending else [])
        assert found.databases in [s.databases for s in states], (self.names, self.pending is not None)
        self.model, self.pending = found, None


@pytest.mark.parametrize("history", ["10000", "0"])
def test_kill_9_loses_nothing_and_leaves_no_halves(history):
    seed = random.randrange(10 ** 9)
    rng = random.Random(seed)
    server = started(lake=False, args=["--history", history])
    try:
        clients = [Client(server, n, seed) for n in range(CLIENTS)]
        for kill in range(KILLS):
            threads = [threading.Thread(target=c.work) for c in clients]
            goal = sum(c.answered for c in clients) + rng.randint(20, 250)
            for t in threads:
                t.start()
            while sum(c.answered for c in clients) < goal and any(t.is_alive() for t in threads):
                time.sleep(0.005)
            server.kill()
            for t in threads:
                t.join()
            assert not [c.wrong for c in clients if c.wrong], (seed, kill, [c.wrong for c in clients])
            server.start()
            glue = server.client("glue")
            for c in clients:
                c.settle(glue)
        assert sum(c.answered for c in clients) >= KILLS * 20, seed
    finally:
        ended(server)
