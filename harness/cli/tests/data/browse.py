"""Drives a headless Chromium as a user of experiments/apps/django_visits.py: logs in and visits twice, by its forms.

Arguments: the address of the page, a folder for the browser's profile, and, to log out as well and write what the browser did as a
HAR file, its name. Orders and replies go over two pipes, as --remote-debugging-pipe has them: JSON, each ended by a zero byte. No
network is used for them.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys

PAGE, PROFILE, *HAR = sys.argv[1:]
# A browser that hangs ends the test, on a busy machine too.
signal.alarm(240)

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--remote-debugging-pipe",
    f"--user-data-dir={PROFILE}",
    "about:blank",
]


class Entry:
    """A request with its reply. The headers as they went over the network are told in events of their own."""

    def __init__(self, params):
        self.id, self.request, self.kind = params["requestId"], params["request"], params.get("type", "Other")
        self.response, self.sent, self.received, self.body = None, None, None, None
        self.is_loaded = False

    def har(self):
        text = self.request.get("postData")
        sent = self.sent["headers"]
        cookies = [cookie["cookie"] for cookie in self.sent["associatedCookies"] if not cookie["blockedReasons"]]
        request = {
            "method": self.request["method"],
            "url": self.request["url"],
            "httpVersion": "HTTP/1.1",
            "headers": pairs(sent),
            "queryString": [],
            "cookies": [{"name": cookie["name"], "value": cookie["value"]} for cookie in cookies],
        }
        if text is not None:
            request["postData"] = {"mimeType": sent.get("Content-Type", ""), "text": text}
        content = {"size": 0, "mimeType": self.response["mimeType"]}
        if self.body:
            content.update(size=len(self.body["body"]), text=self.body["body"])
            if self.body["base64Encoded"]:
                content["encoding"] = "base64"
        response = {"status": self.response["status"], "headers": pairs(self.received["headers"]), "cookies": [], "content": content}
        return {"_resourceType": self.kind.lower(), "time": 1.0, "request": request, "response": response}


class Traffic:
    """What the events of the network tell of pages, in the order in which they were asked for. The page's icon is left out: the browser
    asks for it whenever it likes, and may not have its reply by the end. A redirect keeps its request's id: each event
    with headers is about the first request of its id that has none yet."""

    def __init__(self):
        self.entries = []
        # Headers may be told before their request is.
        self.early = []

    def note(self, method, params):
        if method == "Network.requestWillBeSent":
            if params.get("type") != "Document":
                return
            if "redirectResponse" in params:
                self.last(params).response = params["redirectResponse"]
            self.entries.append(Entry(params))
            early, self.early = self.early, []
            for event in early:
                self.note(*event)
        elif method in ("Network.requestWillBeSentExtraInfo", "Network.responseReceivedExtraInfo"):
            name = "sent" if "WillBeSent" in method else "received"
            waiting = [entry for entry in self.entries if entry.id == params["requestId"] and getattr(entry, name) is None]
            if waiting:
                setattr(waiting[0], name, params)
            else:
                self.early.append((method, params))
        elif not params or not any(entry.id == params.get("requestId") for entry in self.entries):
            return
        elif method == "Network.responseReceived":
            self.last(params).response = params["response"]
        elif method == "Network.loadingFinished":
            self.last(params).is_loaded = True
        elif method == "Network.loadingFailed":
            raise RuntimeError(f"{self.last(params).request['url']}: {params['errorText']}")

    def last(self, params):
        return [entry for entry in self.entries if entry.id == params["requestId"]][-1]

    def is_complete(self):
        return all(entry.response and entry.sent and entry.received for entry in self.entries)


def pairs(headers):
    """One header several times is told as lines of one value."""
    return [{"name": name, "value": line} for name, value in headers.items() for line in value.split("\n")]


class Browser:
    def __init__(self):
        orders, self.orders = os.pipe()
        self.replies, replies = os.pipe()
        # The browser has them as descriptors 3 and 4, which these must not be themselves.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (orders, replies)]
        os.close(orders)
        os.close(replies)

        def place():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            ["chromium", *FLAGS],
            preexec_fn=place,
            pass_fds=(3, 4),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in ends:
            os.close(end)
        self.unread, self.count, self.session = b"", 0, None
        self.traffic = Traffic()

    def read(self):
        while b"\0" not in self.unread:
            piece = os.read(self.replies, 65536)
            if not piece:
                raise EOFError("the browser ended")
            self.unread += piece
        message, self.unread = self.unread.split(b"\0", 1)
        message = json.loads(message)
        self.traffic.note(message.get("method"), message.get("params"))
        return message

    def order(self, method, awaited=None, **params):
        """Gives an order: its result. With `awaited`, returns only after an event of that name, too."""
        self.count += 1
        order = {"id": self.count, "method": method, "params": params}
        if self.session:
            order["sessionId"] = self.session
        os.write(self.orders, json.dumps(order).encode() + b"\0")
        result = None
        while result is None or awaited:
            message = self.read()
            if message.get("id") == self.count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result = message["result"]
            elif message.get("method") == awaited:
                awaited = None
        return result

    def begin(self):
        target = self.order("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.order("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.order("Page.enable")
        self.order("Network.enable")

    def evaluate(self, expression):
        result = self.order("Runtime.evaluate", expression=expression)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def press(self, button):
        """Clicks what leads to another page, and waits until that has loaded."""
        self.order("Runtime.evaluate", "Page.loadEventFired", expression=f"document.querySelector('{button}').click()")

    def keep_bodies(self):
        """Asks for the bodies of the page that is shown: the browser forgets them with the next one."""
        for entry in self.traffic.entries:
            if entry.is_loaded and entry.body is None:
                entry.body = self.order("Network.getResponseBody", requestId=entry.id)

    def har(self):
        """Everything that was sent and received, as the network panel exports it. Waits until all of it has been told."""
        while not self.traffic.is_complete():
            self.read()
        entries = [entry.har() for entry in self.traffic.entries]
        return {"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "entries": entries}}

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


browser = Browser()
try:
    browser.begin()
    browser.order("Page.navigate", "Page.loadEventFired", url=PAGE)
    browser.keep_bodies()
    browser.evaluate("document.querySelector('input[name=user]').value = 'alice'")
    browser.press("input[type=submit]")
    for visits in range(3):
        browser.keep_bodies()
        text = browser.evaluate("document.body.innerText")
        if f"You are alice, visits: {visits}" not in text:
            raise RuntimeError(f"the page shows {text!r}")
        if visits < 2:
            browser.press("input[type=submit]")
    if HAR:
        # The page has no button for it; its token is good for every form.
        browser.evaluate("document.forms[0].action = '/logout'")
        browser.press("input[type=submit]")
        browser.keep_bodies()
        with open(HAR[0], "w") as file:
            json.dump(browser.har(), file)
finally:
    browser.end()
