"""A server of sessions. Words: address, port, where it keeps them (a file, or `memory`), and after how many seconds it closes idle connections.

SIGUSR1 has it close all connections, and live on.
"""
import http.server, json, os, signal, socket, sys, threading, time

address, port, kept, idle = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
visits, lock = {}, threading.Lock()
journal = None
if kept != 'memory':
    if os.path.exists(kept):
        for line in open(kept):
            user, count = json.loads(line)
            visits[user] = count
    journal = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def put(user, count):
    visits[user] = count
    if journal is not None:
        os.write(journal, (json.dumps([user, count]) + '\n').encode())
        os.fsync(journal)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    timeout = idle

    def log_message(self, *words):
        pass

    def reply(self, status, value):
        body = json.dumps(value).encode()
        head = f'HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n'
        if status == 200 and 'user' in value:
            head += f"Set-Cookie: sid={value['user']}\r\n"
        self.wfile.write(head.encode() + b'\r\n' + body)

    def known(self, more):
        user = self.headers.get('Cookie', '').partition('sid=')[2].partition(';')[0]
        with lock:
            if user in visits and more:
                put(user, visits[user] + more)
            count = visits.get(user)
        if more:
            # Longer than the kill command takes, so that a write is in flight at the end.
            time.sleep(0.04)
        self.reply(401, {}) if count is None else self.reply(200, {'user': user, 'visits': count})

    def do_GET(self):
        self.reply(200, {}) if self.path == '/health' else self.known(0)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        if self.path == '/visit':
            return self.known(1)
        user = json.loads(body)['user']
        with lock:
            if user not in visits:
                put(user, 0)
            count = visits[user]
        self.reply(200, {'user': user, 'visits': count})


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ':' in address else socket.AF_INET
    request_queue_size = 128
    connections = set()

    def process_request(self, request, client):
        self.connections.add(request)
        super().process_request(request, client)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)


def drop_connections(*_):
    for connection in list(Server.connections):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


signal.signal(signal.SIGUSR1, drop_connections)
Server((address, port), Handler).serve_forever()
