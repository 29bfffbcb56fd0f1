"""A session server of two processes: a master that waits, and a worker that answers and keeps all state in memory.

usage: prefork.py MODE PORT DATA, where MODE says what the worker does beside that:
  flush     at SIGTERM, when the master is gone, it saves its state, and its next start reads that
  deaf      it heeds no SIGTERM
  detached  it is in a session of its own
  crashes   its second and third start end before it listens
"""
import http.server
import json
import os
import signal
import sys
import threading
import time

mode, port, data = sys.argv[1], int(sys.argv[2]), sys.argv[3]
path = os.path.join(data, "state.json")
master = os.getpid()
os.makedirs(data, exist_ok=True)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do(self):
        _, what, user = self.path.split("/")
        with lock:
            if what == "login":
                state.setdefault(user, 0)
            if what == "visit" and user in state:
                state[user] += 1
            known = user in state
            body = json.dumps({"user": user, "visits": state.get(user)}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do

    def log_message(self, *_):
        pass


def flush(*_):
    lock.acquire()
    while os.getppid() == master:
        time.sleep(0.001)
    time.sleep(0.05)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(state, file)
    os._exit(0)


if mode == "crashes":
    with open(os.path.join(data, "starts"), "a+", encoding="utf-8") as file:
        file.write("x")
        file.seek(0)
        start = len(file.read())
    if start in (2, 3):
        sys.stderr.write("RuntimeError: the journal is locked\n\n")
        print(f"start {start} gives up", flush=True)
        os._exit(3)

worker = os.fork()
if worker:
    _, status = os.waitpid(worker, 0)
    sys.exit(os.waitstatus_to_exitcode(status))

lock = threading.Lock()
state = {}
if os.path.exists(path):
    with open(path, encoding="utf-8") as file:
        state = json.load(file)
if mode == "detached":
    os.setsid()
if mode == "flush":
    signal.signal(signal.SIGTERM, flush)
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
Server(("127.0.0.1", port), Handler).serve_forever()
