import os, http.server
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir(os.environ['DATA'])
    os.execve('/bin/sleep', ['sleep', '300'], {})
os.wait()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'ok')
    def log_message(self, *_):
        pass
http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
