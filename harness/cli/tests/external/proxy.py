"""A proxy that keeps its clients' connections when the server behind it is gone. Words: address and port, and the port of the server."""
import socket, socketserver, sys, threading, time


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            behind = None
            while behind is None:
                try:
                    behind = socket.create_connection(('127.0.0.1', int(sys.argv[3])))
                except OSError:
                    time.sleep(0.01)
            behind.sendall(data)
            behind.settimeout(0.5)
            try:
                reply = behind.recv(65536)
                if not reply:
                    reply = b'HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n'
            except OSError:
                reply = b'HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n'
            behind.close()
            self.request.sendall(reply)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
