"""A server that takes 200 kB of memory with each act, and keeps everything in it."""

import http.server
import json
import sys

visits = {}
taken = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, *headers):
        body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def show(self, act):
        user = self.headers.get("cookie", "").partition("=")[2]
        if user not in visits:
            return self.answer(401, {})
        if act:
            visits[user] += 1
            taken.append(bytearray(200_000))
        self.answer(200, {"user": user, "visits": visits[user]})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/login":
            return self.show(True)
        user = json.loads(body)["user"]
        visits.setdefault(user, 0)
        self.answer(200, {}, ("set-cookie", f"user={user}"))

    def do_GET(self):
        self.show(False)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
