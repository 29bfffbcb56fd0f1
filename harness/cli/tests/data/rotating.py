"""Sessions whose cookie is new with each reply; the one before is refused. One file, synced before each reply. Arguments: port, data."""

import json
import os
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, DATA = int(sys.argv[1]), sys.argv[2]
FILE = os.path.join(DATA, "sessions.json")
LOCK = threading.Lock()
SESSIONS = {}
if os.path.exists(FILE):
    with open(FILE) as file:
        SESSIONS = json.load(file)


def save():
    with open(FILE + ".new", "w") as file:
        json.dump(SESSIONS, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(FILE + ".new", FILE)
    folder = os.open(DATA, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, session):
        if session is None:
            status, body = 401, b"{}"
        else:
            cookie = secrets.token_hex(8)
            SESSIONS[cookie] = session
            save()
            status, body = 200, json.dumps(session).encode()
        self.send_response(status)
        if session is not None:
            self.send_header("Set-Cookie", "sid=" + cookie)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def known(self, visits):
        session = SESSIONS.pop(self.headers.get("Cookie", "").partition("sid=")[2], None)
        if session is not None:
            session["visits"] += visits
        self.answer(session)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with LOCK:
            if self.path == "/login":
                self.answer({"user": json.loads(body)["user"], "visits": 0})
            else:
                self.known(1)

    def do_GET(self):
        with LOCK:
            self.known(0)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
