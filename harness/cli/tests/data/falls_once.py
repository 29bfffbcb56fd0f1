"""A server that starts once for each data folder, and whose last words are hostile to whatever shows them."""
import http.server
import os
import sys

port, data = int(sys.argv[1]), sys.argv[2]
seen = os.path.join(data, "seen")
if os.path.exists(seen):
    sys.stderr.buffer.write(b"nul \x00 escape \x1b[31m bell \x07 not utf-8 \xff\n")
    sys.stderr.buffer.write(b"]]> </failure> & <x> ::error::injected\n")
    sys.exit(1)
os.makedirs(data, exist_ok=True)
open(seen, "w").close()
http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
