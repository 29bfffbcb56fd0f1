"""Sessions and their visits, kept by a package from PyPI: one small store for each, used as the package's own README uses it.

Arguments: the port, the folder of the data, and the store. PYTHONPATH says which version of the package it is.
"""

import json
import os
import secrets
import sys
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT, FOLDER, KIND = sys.argv[1:]
PATH = os.path.join(FOLDER, "sessions")


class Diskcache:
    """diskcache as a persistent mapping."""

    def __init__(self, **settings):
        import diskcache

        self.db = diskcache.Index.fromcache(diskcache.Cache(PATH, eviction_policy="none", **settings))

    def get(self, key):
        return self.db.get(key)

    def put(self, key, value):
        self.db[key] = value

    def drop(self, key):
        del self.db[key]


class DiskcacheFull(Diskcache):
    """The same with the setting that syncs each change."""

    def __init__(self):
        super().__init__(sqlite_synchronous=2)


STORES = {
    "diskcache": Diskcache,
    "diskcache-full": DiskcacheFull,
}
store = STORES[KIND]()


class Visits(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def answer(self, status, body, cookie=None):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if cookie:
            self.send_header("Set-Cookie", f"session={cookie}; HttpOnly")
        self.end_headers()
        self.wfile.write(body)

    def session(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("session")
        key = cookie.value if cookie else ""
        found = store.get(key)
        return key, found and {"user": found["user"], "visits": found["visits"]}

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {})
        _, session = self.session()
        return self.answer(200, session) if session else self.answer(401, {"error": "no session"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/login":
            key, session = secrets.token_hex(16), {"user": json.loads(body)["user"], "visits": 0}
            store.put(key, session)
            return self.answer(200, session, cookie=key)
        key, session = self.session()
        if not session:
            return self.answer(401, {"error": "no session"})
        if self.path == "/logout":
            store.drop(key)
        else:
            session["visits"] += 1
            store.put(key, session)
        return self.answer(200, session)

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(PORT)), Visits).serve_forever()
