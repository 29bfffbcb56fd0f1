"""Sessions that count visits: in memory, or with STORE = True in a file. Arguments: port and data folder."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STORE = False
PORT, DATA = int(sys.argv[1]), sys.argv[2]
FILE = os.path.join(DATA, "sessions.json")
LOCK = threading.Lock()
USERS = {}
if STORE and os.path.exists(FILE):
    with open(FILE) as file:
        USERS = json.load(file)


def save():
    if STORE:
        with open(FILE + ".new", "w") as file:
            json.dump(USERS, file)
        os.replace(FILE + ".new", FILE)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, body, cookie=None):
        body = json.dumps(body).encode()
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", "user=" + cookie)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def show(self, visits):
        name = self.headers.get("Cookie", "").partition("user=")[2]
        if name not in USERS:
            return self.reply(401, {})
        USERS[name] += visits
        if visits:
            save()
        self.reply(200, {"user": name, "visits": USERS[name]})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with LOCK:
            if self.path != "/login":
                return self.show(1)
            name = json.loads(body)["user"]
            USERS[name] = 0
            save()
            self.reply(200, {}, name)

    def do_GET(self):
        with LOCK:
            self.show(0)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


Server(("127.0.0.1", PORT), Handler).serve_forever()
