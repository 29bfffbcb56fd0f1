"""A server that is sound until it is started again for the same data folder. Then it answers correctly, for 300 ms from
its first answer on, and goes on as its first argument says: `errors` (500 for everything), `hangs` (no reply), `flaps` (a fifth of a second of each), `stops`
(it ends a second later), `slow` (correct replies, each after 400 ms), `honest`."""
import http.server
import os
import sys
import threading
import time

mode, port, data = sys.argv[1], int(sys.argv[2]), sys.argv[3]
seen = os.path.join(data, "seen")
again = os.path.exists(seen)
os.makedirs(data, exist_ok=True)
open(seen, "w").close()
first = []


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        spoilt = again and first and time.monotonic() > first[0] + 0.3
        if spoilt and mode == "hangs":
            time.sleep(60)
        if spoilt and mode == "slow":
            time.sleep(0.4)
        fails = spoilt and (mode == "errors" or mode == "flaps" and int(time.time() * 5) % 2 == 0)
        body = b"no\n" if fails else b"yes\n"
        self.send_response(500 if fails else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if again and mode == "stops" and not first:
            threading.Timer(1.0, os._exit, [0]).start()
        first.append(time.monotonic())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Server)
server.daemon_threads = True
server.serve_forever()
