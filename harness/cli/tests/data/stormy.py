"""Servers that only a storm exposes: stormy.py BEHAVIOUR PORT FOLDER.

`honest` is the twin without a fault: that of dishonest.py.
"""

import os
import signal
import sys
import threading
import time

from dishonest import Honest


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


class Graceful(Honest):
    """Notes whether the process before ended by a kill."""

    def __init__(self, port, folder):
        super().__init__(port, folder)
        self.mark = os.path.join(folder, "running")
        self.after_kill = os.path.exists(self.mark)
        with open(self.mark, "w", encoding="ascii"):
            pass
        signal.signal(signal.SIGTERM, lambda *_: self.stop())

    def stop(self):
        os.unlink(self.mark)
        os._exit(0)


class SnapshotsAtStops(Graceful):
    """Replays its log at a start and empties it, and writes what it has only at a graceful stop: the second kill in a row takes all."""

    def __init__(self, port, folder):
        self.snapshot, log = os.path.join(folder, "snapshot"), os.path.join(folder, "log")
        self.history = read(self.snapshot) + read(log)
        with open(log, "w", encoding="utf-8") as file:
            file.write(self.history)
        super().__init__(port, folder)
        os.ftruncate(self.log, 0)

    def write(self, line):
        super().write(line)
        self.history += line + "\n"

    def stop(self):
        with open(self.snapshot, "w", encoding="utf-8") as file:
            file.write(self.history)
        os.ftruncate(self.log, 0)
        super().stop()


class DiesSoon(Graceful):
    """Ends 300 ms after a start, if the process before was killed."""

    def run(self):
        if self.after_kill:
            threading.Thread(target=self.die, daemon=True).start()
        super().run()

    def die(self):
        time.sleep(0.3)
        os._exit(1)


class DiesAlways(DiesSoon):
    """Ends 300 ms after each start."""

    def __init__(self, port, folder):
        super().__init__(port, folder)
        self.after_kill = True


class RefusesOnce(Graceful):
    """The first start after a kill finds the mark of the process that was killed, removes it and ends; the second one comes up."""

    def __init__(self, port, folder):
        super().__init__(port, folder)
        if self.after_kill:
            os.unlink(self.mark)
            os._exit(1)


class LoadsLate(Graceful):
    """After a graceful stop it listens before it has loaded, and says for 60 ms that it knows nobody."""

    def __init__(self, port, folder):
        super().__init__(port, folder)
        self.ready = time.monotonic() + (0.06 if self.again and not self.after_kill else 0)

    def handle(self, method, path, cookie, body):
        if time.monotonic() < self.ready and path == "/me":
            return self.stranger(cookie, method)
        return super().handle(method, path, cookie, body)


class GrowsAtStops(Graceful):
    """After a graceful stop each session has a visit more than before."""

    def stop(self):
        for sid in self.sessions:
            self.write(f"V {sid}")
        super().stop()


class ForgetsLogins(Graceful):
    """A new session is stored with its third visit, or at a graceful stop."""

    def stop(self):
        for sid, session in self.sessions.items():
            if sid not in self.old:
                self.write(f"L {sid} {session['user']}")
                for _ in range(session["visits"]):
                    self.write(f"V {sid}")
        super().stop()

    stores_sessions = stores_visits = False

    def visit(self, sid, session):
        if session["visits"] == 2 and sid not in self.old:
            self.old.add(sid)
            self.write(f"L {sid} {session['user']}")
            self.write(f"V {sid}")
            self.write(f"V {sid}")
        if sid in self.old:
            self.write(f"V {sid}")
        return super().visit(sid, session)


BEHAVIOURS = {
    "honest": Honest,
    "snapshots-at-stops": SnapshotsAtStops,
    "dies-soon": DiesSoon,
    "dies-always": DiesAlways,
    "grows-at-stops": GrowsAtStops,
    "loads-late": LoadsLate,
    "refuses-once": RefusesOnce,
    "forgets-logins": ForgetsLogins,
}

if __name__ == "__main__":
    behaviour, port, folder = sys.argv[1:]
    BEHAVIOURS[behaviour](int(port), folder).run()
