"""A server with one account and bearer tokens, whose sessions keep a list in memory. Arguments: port."""

import json
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SESSIONS = {}


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def session(self):
        return SESSIONS.get(self.headers.get("authorization", "").removeprefix("Bearer "))

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
        if self.path == "/api/auth/login":
            if (sent.get("username"), sent.get("password")) != ("alice", "wonder"):
                return self.reply(401, {"error": "who are you?"})
            token = secrets.token_hex(16)
            SESSIONS[token] = []
            return self.reply(200, {"data": {"accessToken": token, "expiresIn": 3600}})
        if self.session() is None:
            return self.reply(401, {"error": "log in first"})
        self.session().append({"id": len(self.session()), "title": sent["title"]})
        return self.reply(201, {"id": len(self.session())})

    def do_GET(self):
        if self.session() is None:
            return self.reply(401, {"error": "log in first"})
        return self.reply(200, {"owner": "alice", "items": self.session()})


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Api).serve_forever()
