"""Logs in to experiments/apps/django_visits.py, visits twice, logs out, and writes that as a HAR file, as a browser exports
it. Django runs in this process, on a port that the kernel gives. Arguments: the application, a folder, the HAR file.
"""

import http.client
import json
import os
import re
import runpy
import sys
import threading
import traceback

from django.core.servers import basehttp

APPLICATION, FOLDER, HAR = sys.argv[1:]
FORM = "application/x-www-form-urlencoded"


class Browser:
    """One user's browser: it keeps cookies, follows redirects, and records."""

    def __init__(self, port):
        self.port, self.cookies, self.entries, self.page = port, {}, [], ""

    def ask(self, method, path, body=None):
        sent = dict(self.cookies)
        headers = {"Host": f"127.0.0.1:{self.port}", "User-Agent": "Mozilla/5.0", "Accept": "text/html,*/*;q=0.8"}
        if sent:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in sent.items())
        if body is not None:
            headers["Content-Type"] = FORM
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        self.page = reply.read().decode()
        for line in reply.headers.get_all("Set-Cookie", []):
            name, value = line.split(";")[0].split("=", 1)
            self.cookies[name] = value
        connection.close()
        request = {
            "method": method,
            "url": f"http://127.0.0.1:{self.port}{path}",
            "httpVersion": "HTTP/1.1",
            "headers": pairs(headers.items()),
            "queryString": [],
            "cookies": pairs(sent.items()),
        }
        if body is not None:
            request["postData"] = {"mimeType": FORM, "text": body}
        content = {"size": len(self.page), "mimeType": "text/html", "text": self.page}
        response = {"status": reply.status, "headers": pairs(reply.getheaders()), "cookies": [], "content": content}
        self.entries.append({"_resourceType": "document", "time": 1.0, "request": request, "response": response})
        if reply.status == 302:
            self.ask("GET", reply.headers["Location"])

    def submit(self, path, fields=""):
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.page).group(1)
        self.ask("POST", path, f"csrfmiddlewaretoken={token}{fields}")


def pairs(items):
    return [{"name": name, "value": value} for name, value in items]


def record(port):
    browser = Browser(port)
    browser.ask("GET", "/")
    browser.submit("/login", "&user=alice")
    browser.submit("/visit")
    browser.submit("/visit")
    browser.submit("/logout")
    log = {"version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "entries": browser.entries}
    with open(HAR, "w") as file:
        json.dump({"log": log}, file)


def record_and_end(port):
    try:
        record(port)
        code = 0
    except BaseException:
        traceback.print_exc()
        code = 1
    # The server has no end of its own.
    os._exit(code)


listen = basehttp.WSGIServer.server_activate


def listen_and_record(server):
    listen(server)
    threading.Thread(target=record_and_end, args=[server.server_address[1]]).start()


basehttp.WSGIServer.server_activate = listen_and_record
sys.argv = [APPLICATION, FOLDER, "0"]
runpy.run_path(APPLICATION, run_name="__main__")
