"""A server that loses something and hides it: dishonest.py BEHAVIOUR PORT FOLDER.

`honest` is the twin without a fault: each session and each visit is in the kernel's hands (os.write to a log) before it is
acknowledged, and the log is read at each start. Every other behaviour is a class that changes one thing of it. What a
behaviour does only after a restart asks `self.again`.
"""

import json
import os
import random
import signal
import socket
import sys
import threading
import time


class Honest:
    stores_sessions = True
    stores_visits = True
    boot_header = None
    # What the visit at hand carries, if it carries anything.
    item = ()

    def __init__(self, port, folder):
        self.port, self.folder = port, folder
        self.lock = threading.Lock()
        self.sessions = {}
        self.requests = 0
        marker = os.path.join(folder, "started")
        self.again = os.path.exists(marker)
        with open(marker, "w", encoding="ascii"):
            pass
        self.old = set()
        self.log = os.open(os.path.join(folder, "log"), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with open(os.path.join(folder, "log"), encoding="utf-8") as lines:
            for line in lines:
                kind, sid, *more = line.split()
                if kind == "L":
                    self.sessions[sid] = {"user": more[0], "visits": 0, "items": []}
                    self.old.add(sid)
                elif kind == "V" and sid in self.sessions:
                    self.sessions[sid]["visits"] += 1
                    self.sessions[sid]["items"] += more

    def write(self, line):
        os.write(self.log, line.encode() + b"\n")

    # Each returns what is sent: bytes, or None to say nothing.

    def handle(self, method, path, cookie, body):
        with self.lock:
            self.requests += 1
            if (method, path) == ("POST", "/login"):
                return self.login(json.loads(body)["user"])
            if path == "/":
                return self.front_page()
            session = self.sessions.get(cookie)
            if session is None:
                return self.stranger(cookie, method)
            if (method, path) == ("POST", "/visit"):
                self.item = [json.loads(body)["item"]] if body else []
                return self.visit(cookie, session)
            return self.me(cookie, session)

    def front_page(self):
        return self.reply("welcome")

    def login(self, user):
        sid = f"{user}.{os.urandom(6).hex()}"
        if self.stores_sessions:
            self.write(f"L {sid} {user}")
        self.sessions[sid] = {"user": user, "visits": 0, "items": []}
        return self.reply(self.sessions[sid], cookie=sid)

    def visit(self, sid, session):
        if self.stores_visits:
            self.write(" ".join(["V", sid, *self.item]))
        session["visits"] += 1
        session.setdefault("items", []).extend(self.item)
        return self.me(sid, session)

    def me(self, sid, session):
        return self.reply(session)

    def stranger(self, sid, method):
        return self.reply({"error": "who are you?"}, 401)

    def reply(self, body, status=200, cookie=None, headers=()):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", *headers]
        if cookie:
            lines.append(f"Set-Cookie: sid={cookie}; Path=/")
        if self.boot_header:
            lines.append(f"X-Boot-Id: {self.boot()}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data

    def boot(self):
        return self.boot_header

    def listen(self):
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", self.port))
        server.listen(1024)
        return server

    def run(self):
        server = self.listen()
        while True:
            connection, _ = server.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        file = connection.makefile("rb")
        try:
            while True:
                first = file.readline().split()
                if len(first) < 2:
                    break
                length, cookie = 0, None
                while (line := file.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode("latin-1").partition(":")
                    if name.lower() == "content-length":
                        length = int(value)
                    if name.lower() == "cookie":
                        cookie = value.partition("sid=")[2].partition(";")[0].strip()
                answer = self.handle(first[0].decode(), first[1].decode(), cookie, file.read(length))
                if answer is None:
                    time.sleep(30)
                elif answer == b"":
                    break
                else:
                    connection.sendall(answer)
        except OSError:
            pass
        finally:
            connection.close()


class Forgetful(Honest):
    """Sessions live in memory, and are gone after a kill. What it says then differs."""

    stores_sessions = stores_visits = False


def stranger_says(answer):
    return type("Says", (Forgetful,), {"stranger": lambda self, sid, method: answer(self, sid)})


def revived(visits):
    """Takes any cookie for a session of the user whose name it begins with."""

    def stranger(self, sid, method):
        if not sid:
            return self.reply({"error": "who are you?"}, 401)
        self.sessions[sid] = {"user": sid.split(".")[0], "visits": visits(self)}
        if method == "POST":
            return self.visit(sid, self.sessions[sid])
        return self.reply(self.sessions[sid])

    return type("Revives", (Forgetful,), {"stranger": stranger})


class KnowsEverybodyLater(Forgetful):
    """After a restart whoever asks is told what a known user is told."""

    def stranger(self, sid, method):
        return self.reply({"user": "x", "visits": 0}) if self.again else super().stranger(sid, method)


class Remembers(Honest):
    """Sessions are stored, visits are not."""

    stores_visits = False


def value_is(value):
    """Sessions are stored, and the number that is shown is no counter."""
    return type(
        "NoCounter",
        (Remembers,),
        {"me": lambda self, sid, session: self.reply({**session, "visits": value(self, session)})},
    )


class Buffered(Honest):
    """Visits are handed to the kernel every 300 ms, after they were acknowledged; the last three wait for others."""

    def __init__(self, port, folder):
        super().__init__(port, folder)
        self.buffer = []
        threading.Thread(target=self.flush, daemon=True).start()

    def flush(self):
        while True:
            time.sleep(0.3)
            lines, self.buffer = self.buffer[:-3], self.buffer[-3:]
            if lines:
                os.write(self.log, "".join(f"V {sid}\n" for sid in lines).encode())

    def visit(self, sid, session):
        self.buffer.append(sid)
        session["visits"] += 1
        return self.me(sid, session)


class EveryThird(Honest):
    """Each third visit is not stored."""

    def visit(self, sid, session):
        if session["visits"] % 3 != 2:
            self.write(f"V {sid}")
        session["visits"] += 1
        return self.me(sid, session)


class Twice(Honest):
    """After a restart each visit counts twice."""

    def visit(self, sid, session):
        answer = super().visit(sid, session)
        if self.again:
            super().visit(sid, session)
        return answer


class DropsLater(Honest):
    """After a restart the visits of old sessions are acknowledged, and thrown away."""

    def visit(self, sid, session):
        if sid in self.old:
            return self.me(sid, session)
        return super().visit(sid, session)


class ReplaysTwice(Honest):
    """A restart reads the log twice."""

    def __init__(self, port, folder):
        super().__init__(port, folder)
        for session in self.sessions.values():
            session["items"] *= 2


class MergesUsers(Honest):
    """A restart gives each session the items of all."""

    def __init__(self, port, folder):
        super().__init__(port, folder)
        every = [item for session in self.sessions.values() for item in session["items"]]
        for session in self.sessions.values():
            session["items"] = list(every)


class EmptyLater(Honest):
    """After a restart every page is empty."""

    def front_page(self):
        return self.reply("" if self.again else "welcome")


class DrawsNames(Honest):
    """No bug: each login gets a name that is drawn, and now and then two users get the same."""

    names = 60

    def login(self, user):
        return super().login("guest-%d" % random.randrange(self.names))


class News(Honest):
    """No bug: the front page shows what is new, and is empty where nothing is. That begins by itself, some time after the start."""

    def front_page(self):
        began = os.path.getmtime(os.path.join(self.folder, "born"))
        return self.reply("" if time.time() - began > 1.2 else "news")

    def __init__(self, port, folder):
        super().__init__(port, folder)
        with open(os.path.join(folder, "born"), "a", encoding="ascii"):
            pass


class EmptyForOld(Honest):
    """Sessions are in memory. After a restart an old session's page is empty, and nobody is sent to the login."""

    stores_sessions = False

    def stranger(self, cookie, method):
        return self.reply("") if self.again and cookie else super().stranger(cookie, method)


class OneAccount(Honest):
    """After a restart every login leads into the same account."""

    def login(self, user):
        return super().login("first" if self.again else user)


class AlwaysTwice(Honest):
    def visit(self, sid, session):
        super().visit(sid, session)
        return super().visit(sid, session)


def after_restart(bad, good=0):
    """After a restart `good` whole sessions' worth of replies are right; from then on each is what `bad` says."""

    class Once(Honest):
        served = 0

        def handle(self, method, path, cookie, body):
            if self.again:
                self.served += 1
                if self.served > good:
                    return bad(self, method, path, cookie, body)
            return super().handle(method, path, cookie, body)

    return Once


def right(self, *request):
    return Honest.handle(self, *request)


def error(self, *_request):
    return self.reply("sorry", 500)


def unavailable(self, *_request):
    return self.reply("sorry", 503, headers=["Retry-After: 1"])


def silence(*_request):
    return None


def cut(*_request):
    return b""


def half(self, *_request):
    return self.reply({"user": "u1", "visits": 1})[:-7]


def leave(*_request):
    os._exit(1)


def stop(*_request):
    os.kill(os.getpid(), signal.SIGSTOP)


def flaps(self, *request):
    return right(self, *request) if int(time.monotonic() * 10) % 2 else error(self)


def slowly(self, *request):
    time.sleep(0.4)
    return right(self, *request)


def only_logins(self, method, path, cookie, body):
    return right(self, method, path, cookie, body) if path == "/login" else error(self)


def all_but_checks(self, method, path, cookie, body):
    return error(self) if path == "/me" else right(self, method, path, cookie, body)


def new_sessions_only(bad):
    """Works for those who logged in since the restart, and fails for the others."""

    def answer(self, method, path, cookie, body):
        return bad(self) if cookie in self.old else right(self, method, path, cookie, body)

    return answer


class LogsOut(Honest):
    """A logout ends the session, and that is in the log before it is acknowledged."""

    stores_logouts = True

    def __init__(self, port, folder):
        super().__init__(port, folder)
        with open(os.path.join(folder, "log"), encoding="utf-8") as lines:
            for line in lines:
                kind, sid, *_ = line.split()
                if kind == "O":
                    self.sessions.pop(sid, None)

    def end(self, sid):
        if self.stores_logouts:
            self.write(f"O {sid}")
        del self.sessions[sid]

    def handle(self, method, path, cookie, body):
        with self.lock:
            if (method, path) == ("POST", "/logout") and cookie in self.sessions:
                self.end(cookie)
                return self.reply({"bye": 1})
        return super().handle(method, path, cookie, body)


class LogsOutInMemory(LogsOut):
    """A logout ends the session until the next start."""

    stores_logouts = False


class OneSessionEach(LogsOut):
    """Honest: a login ends the user's older session. After a restart, /me fails for the first second in which nobody visits."""

    visited = None
    quiet_since = None

    def login(self, user):
        for sid in [sid for sid, session in self.sessions.items() if session["user"] == user]:
            self.end(sid)
        return super().login(user)

    def handle(self, method, path, cookie, body):
        if path == "/visit":
            self.visited, self.quiet_since = time.monotonic(), None
        if path == "/me" and self.again and self.visited:
            time.sleep(0.15)
            now = time.monotonic()
            if now - self.visited > 0.1:
                self.quiet_since = self.quiet_since or now
                if now < self.quiet_since + 1:
                    return self.reply("at work", 503)
        return super().handle(method, path, cookie, body)


class Evicts(Honest):
    """Knows the last five sessions only."""

    def login(self, user):
        answer = super().login(user)
        while len(self.sessions) > 5:
            del self.sessions[next(iter(self.sessions))]
        return answer


class Expires(Forgetful):
    """A session is forgotten 200 ms after its login, crash or not."""

    def login(self, user):
        answer = super().login(user)
        sid = list(self.sessions)[-1]
        threading.Timer(0.2, self.sessions.pop, (sid, None)).start()
        return answer


class SlowStart(Honest):
    """An honest server whose sessions live for 2.5 s, and that takes 3 s to start."""

    def handle(self, method, path, cookie, body):
        is_over = cookie and time.time() - float(cookie.split("-")[-1]) > 2.5
        return self.stranger(cookie, method) if is_over else super().handle(method, path, cookie, body)

    def login(self, user):
        sid = f"{user}.{os.urandom(6).hex()}-{time.time()}"
        self.write(f"L {sid} {user}")
        self.sessions[sid] = {"user": user, "visits": 0, "items": []}
        return self.reply(self.sessions[sid], cookie=sid)

    def run(self):
        time.sleep(3)
        super().run()


class StoresLater(Honest):
    """A login is acknowledged at once, and stored 250 ms later, with the first visit, or when it is told to stop."""

    stores_sessions = False

    def __init__(self, port, folder):
        super().__init__(port, folder)
        self.unstored = {}

    def login(self, user):
        answer = super().login(user)
        sid = list(self.sessions)[-1]
        self.unstored[sid] = user
        threading.Timer(0.25, self.store, (sid,)).start()
        return answer

    def visit(self, sid, session):
        self.store(sid)
        return super().visit(sid, session)

    def store(self, sid):
        if user := self.unstored.pop(sid, None):
            self.write(f"L {sid} {user}")

    def stop(self, *_):
        for sid in list(self.unstored):
            self.store(sid)
        os._exit(0)

    def run(self):
        signal.signal(signal.SIGTERM, self.stop)
        super().run()


class Echoes(Forgetful):
    """Has no sessions at all: who asks is told what the address says."""

    def handle(self, method, path, cookie, body):
        if path.startswith("/me?user="):
            return self.reply({"user": path.partition("=")[2], "visits": 1})
        return super().handle(method, path, cookie, body)


class Static(Forgetful):
    """Shows the same page to everybody."""

    def handle(self, method, path, cookie, body):
        if path == "/me":
            return self.reply("Welcome to your account")
        return super().handle(method, path, cookie, body)


class ConstantBoot(Forgetful):
    boot_header = "always-the-same"


class RandomBoot(Forgetful):
    boot_header = "x"

    def boot(self):
        return os.urandom(8).hex()


def detach(work):
    """Runs `work` in a process that a signal to the group does not reach."""
    if os.fork() == 0:
        os.setsid()
        os.closerange(0, 3)
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, signal.SIG_IGN)
        work()
        os._exit(0)


class Orphan(Forgetful):
    """The process that serves has left the group and keeps the port; the one that is killed only waits."""

    def listen(self):
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", self.port))
        server.listen(1024)
        return server

    def run(self):
        if not self.again:
            detach(super().run)
        while True:
            time.sleep(60)


class OrphanBeside(Orphan):
    """Likewise, and each new start serves the same port beside it."""

    def run(self):
        if self.again:
            return Forgetful.run(self)
        return super().run()


class Backend(Forgetful):
    """A front that is killed, before a back end that has left the group and keeps the sessions in its memory."""

    def run(self):
        path = os.path.join(self.folder, "backend")
        if not self.again:
            back = socket.socket(socket.AF_UNIX)
            back.bind(path)
            back.listen(1024)

            def serve():
                while True:
                    connection, _ = back.accept()
                    threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

            detach(serve)
            back.close()
        server = self.listen()
        while True:
            connection, _ = server.accept()
            threading.Thread(target=self.forward, args=(connection, path), daemon=True).start()

    def forward(self, connection, path):
        back = socket.socket(socket.AF_UNIX)
        back.connect(path)

        def copy(source, sink):
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
            except OSError:
                pass
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        threading.Thread(target=copy, args=(connection, back), daemon=True).start()
        copy(back, connection)


class BackendRenames(Backend):
    """Likewise, and the back end calls itself something else when the front is a new one."""

    boot_header = "x"

    def boot(self):
        names = os.path.join(self.folder, "starts")
        return "start-" + str(os.path.getsize(names))

    def run(self):
        with open(os.path.join(self.folder, "starts"), "a", encoding="ascii") as file:
            file.write("x")
        super().run()


class TermChild(Honest):
    """The process that gets SIGTERM exits; a child of its group heeds no SIGTERM and keeps the port."""

    stores_sessions = stores_visits = False

    def run(self):
        if self.again:
            # The port is taken by the child: this start waits, as some servers do.
            while True:
                time.sleep(60)
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            super().run()
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        while True:
            time.sleep(60)


class NeverBinds(Honest):
    def run(self):
        if self.again:
            while True:
                time.sleep(60)
        super().run()


class PidFile(Honest):
    """Refuses to start while its pid file is there, and only a clean stop removes it."""

    def run(self):
        path = os.path.join(self.folder, "pid")
        if os.path.exists(path):
            sys.exit(f"error: {path} exists: another process is running")
        with open(path, "w", encoding="ascii"):
            pass
        super().run()


class Sequential(Forgetful):
    """Numbers its sessions from 1 at each start: an old cookie names somebody else."""

    count = 0

    def login(self, user):
        self.count += 1
        sid = str(self.count)
        self.sessions[sid] = {"user": user, "visits": 0}
        return self.reply(self.sessions[sid], cookie=sid)


def milliseconds():
    return int(time.time() * 1000)


PAGE = "<html><form action=/login>Please log in</form></html>"

BEHAVIOURS = {
    "honest": Honest,
    "logs-out": LogsOut,
    "logs-out-in-memory": LogsOutInMemory,
    "one-session-each": OneSessionEach,
    # Sessions are gone, and users who are not logged in are told…
    "forgets": Forgetful,
    "says-403": stranger_says(lambda self, sid: self.reply("no", 403)),
    "says-404": stranger_says(lambda self, sid: self.reply("no", 404)),
    "says-500": stranger_says(lambda self, sid: self.reply("no", 500)),
    "says-nothing": stranger_says(lambda self, sid: None),
    "hangs-up": stranger_says(lambda self, sid: b""),
    "says-half": stranger_says(half),
    "says-ok": stranger_says(lambda self, sid: self.reply("ok")),
    "says-an-object": stranger_says(lambda self, sid: self.reply({})),
    "says-null": stranger_says(lambda self, sid: self.reply({"user": None, "visits": None})),
    "says-a-list": stranger_says(lambda self, sid: self.reply([])),
    "says-no-content": stranger_says(lambda self, sid: b"HTTP/1.1 204 X\r\n\r\n"),
    "says-not-modified": stranger_says(lambda self, sid: b"HTTP/1.1 304 X\r\n\r\n"),
    "shows-a-page": stranger_says(lambda self, sid: self.reply(PAGE)),
    "redirects": stranger_says(lambda self, sid: self.reply("", 302, headers=["Location: /login"])),
    "redirects-home": stranger_says(lambda self, sid: self.reply("", 302, headers=["Location: /"])),
    "calls-you-guest": stranger_says(lambda self, sid: self.reply({"user": "guest", "visits": 0}, cookie="guest")),
    # Any cookie is taken for a session, whose count is then…
    "knows-everybody-later": KnowsEverybodyLater,
    "revives-at-0": revived(lambda self: 0),
    "revives-at-the-time": revived(lambda self: milliseconds()),
    "revives-at-a-billion": revived(lambda self: 10**9),
    "revives-at-random": revived(lambda self: random.randrange(1000)),
    "restarts-its-numbers": Sequential,
    # The number that is shown is no counter.
    "shows-the-time": value_is(lambda self, session: milliseconds()),
    "shows-7": value_is(lambda self, session: 7),
    "shows-at-most-3": value_is(lambda self, session: min(session["visits"], 3)),
    "shows-0": value_is(lambda self, session: 0),
    "shows-a-random-number": value_is(lambda self, session: random.randrange(10**6)),
    "shows-all-requests": value_is(lambda self, session: self.requests),
    "shows-the-number-of-users": value_is(lambda self, session: len(self.sessions)),
    # Sessions of late are gone.
    "stores-logins-later": StoresLater,
    # Visits are gone.
    "forgets-visits": Remembers,
    "buffers": Buffered,
    "stores-two-of-three": EveryThird,
    "counts-twice-later": Twice,
    "counts-twice": AlwaysTwice,
    # Items are wrong beside the loss.
    "drops-later": DropsLater,
    "replays-twice": ReplaysTwice,
    "merges-users": MergesUsers,
    # It comes back, and…
    "then-errors": after_restart(error, good=6),
    "then-unavailable": after_restart(unavailable, good=6),
    "then-silence": after_restart(silence, good=6),
    "then-hangs-up": after_restart(cut, good=6),
    "then-half-a-body": after_restart(half, good=6),
    "then-exits": after_restart(leave, good=6),
    "then-stops": after_restart(stop, good=6),
    "errors-at-once": after_restart(error),
    "silent-at-once": after_restart(silence),
    "flaps": after_restart(flaps),
    "empty-later": EmptyLater,
    "empty-for-old": EmptyForOld,
    "draws-names": DrawsNames,
    "news": News,
    "one-account-later": OneAccount,
    "is-slow": after_restart(slowly),
    "only-logs-in": after_restart(only_logins),
    "cannot-show": after_restart(all_but_checks),
    "fails-old-sessions": after_restart(new_sessions_only(error)),
    "ignores-old-sessions": after_restart(new_sessions_only(silence)),
    "hangs-up-on-old-sessions": after_restart(new_sessions_only(cut)),
    "never-binds": NeverBinds,
    "keeps-a-pid-file": PidFile,
    # Nothing was killed that serves.
    "orphan": Orphan,
    "orphan-beside": OrphanBeside,
    "backend": Backend,
    "backend-renames": BackendRenames,
    "term-child": TermChild,
    "constant-boot": ConstantBoot,
    "random-boot": RandomBoot,
    # It fails without any fault.
    "evicts": Evicts,
    "expires": Expires,
    "expires-as-it-says": SlowStart,
    # Nobody could tell a session from a user who is not logged in.
    "echoes": Echoes,
    "static": Static,
}

if __name__ == "__main__":
    behaviour, port, folder = sys.argv[1:]
    BEHAVIOURS[behaviour](int(port), folder).run()
