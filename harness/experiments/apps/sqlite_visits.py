"""Sessions and their visits in SQLite, with Python's standard library alone.

Arguments: the port, the database, and SQLite's `synchronous` (FULL or NORMAL), in write-ahead mode.
"""

import json
import secrets
import sqlite3
import sys
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, HTTPServer

base = sqlite3.connect(sys.argv[2], isolation_level=None)
base.execute("PRAGMA journal_mode = WAL")
base.execute(f"PRAGMA synchronous = {sys.argv[3]}")
base.execute("CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, user TEXT, visits INTEGER)")


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

    def row(self, count):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("session")
        key = (cookie.value if cookie else "",)
        if count:
            base.execute("UPDATE sessions SET visits = visits + 1 WHERE id = ?", key)
        row = base.execute("SELECT user, visits FROM sessions WHERE id = ?", key).fetchone()
        if row is None:
            return self.answer(401, {"error": "no session"})
        return self.answer(200, {"user": row[0], "visits": row[1]})

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {})
        return self.row(count=False)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/visit":
            return self.row(count=True)
        key, user = secrets.token_hex(16), json.loads(body)["user"]
        base.execute("INSERT INTO sessions VALUES (?, ?, 0)", (key, user))
        return self.answer(200, {"user": user, "visits": 0}, cookie=key)

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[1])), Visits).serve_forever()
