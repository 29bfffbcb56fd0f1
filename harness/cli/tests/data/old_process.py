"""A server with an old process that outlives the killing of its group, and answers in the new one's place.

Usage: old_process.py PORT DATA KIND

front      a new front in front of the old back end, which has the sessions; replies name no process
reuseport  the old worker shares the port with the new one, and each names itself
renamed    the old worker keeps the port and takes a new name; the new process waits for the port
silent     the old process holds no socket, and does nothing
"""
import http.server
import os
import signal
import socket
import sys
import threading
import time

PORT, DATA, KIND = int(sys.argv[1]), sys.argv[2], sys.argv[3]
BACK = os.path.join(DATA, "back.sock")
FIRST = os.environ["COMEBACK_INCARNATION"] == "0"
sessions = {}
name = ["%d-%d" % (os.getpid(), time.monotonic_ns())]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave together.
    wbufsize = -1

    def log_message(self, *words):
        pass

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        cookie = self.headers.get("cookie", "")
        user = body.split('"')[3] if self.path == "/login" else cookie.partition("sid=")[2]
        if self.path == "/login":
            sessions[user] = 0
        elif self.path == "/visit" and user in sessions:
            sessions[user] += 1
        known = user in sessions
        text = '{"user":"%s","visits":%d}' % (user, sessions.get(user, 0))
        text = text.encode()
        self.send_response(200 if known else 401)
        if self.path == "/login":
            self.send_header("set-cookie", "sid=" + user)
        if KIND != "front":
            self.send_header("x-boot", name[0])
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    allow_reuse_port = KIND == "reuseport"


class Back(Server):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)

    def get_request(self):
        request, _ = self.socket.accept()
        return request, ("back", 0)


def detach(work):
    """Runs it in a session of its own, which a signal to the group does not reach."""
    if os.fork() == 0:
        os.setsid()
        work()
        os._exit(0)


def pump(one, other):
    try:
        while piece := one.recv(65536):
            other.sendall(piece)
    except OSError:
        pass
    for end in (one, other):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def front():
    listener = socket.create_server(("127.0.0.1", PORT), backlog=128)
    while True:
        client, _ = listener.accept()
        back = socket.socket(socket.AF_UNIX)
        back.connect(BACK)
        for pair in ((client, back), (back, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def serve():
    while True:
        try:
            server = Server(("127.0.0.1", PORT), Handler)
            break
        except OSError:
            time.sleep(0.02)
    server.serve_forever()


def rename_later():
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.005)
    name[0] += "-anew"


def old_worker():
    threading.Thread(target=rename_later, daemon=True).start()
    serve()


def idle():
    for descriptor in range(3, 64):
        try:
            os.close(descriptor)
        except OSError:
            pass
    while True:
        signal.pause()


os.makedirs(DATA, exist_ok=True)
if KIND == "front":
    if FIRST:
        detach(lambda: Back(BACK, Handler).serve_forever())
        while not os.path.exists(BACK):
            time.sleep(0.005)
    front()
elif KIND == "silent":
    if FIRST:
        detach(idle)
    serve()
elif KIND == "reuseport":
    if FIRST:
        detach(serve)
        signal.pause()
    serve()
else:
    if FIRST:
        detach(old_worker)
        signal.pause()
    serve()
