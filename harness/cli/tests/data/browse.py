"""Drives a headless Chromium as a user of experiments/apps/django_visits.py: logs in and visits twice, by its forms.

Arguments: the address of the page, a folder for the browser's profile. Orders and replies go over two pipes, as
--remote-debugging-pipe has them: JSON, each ended by a zero byte. No network is used for them.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys

PAGE, PROFILE = sys.argv[1:]
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

    def read(self):
        while b"\0" not in self.unread:
            piece = os.read(self.replies, 65536)
            if not piece:
                raise EOFError("the browser ended")
            self.unread += piece
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)

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

    def evaluate(self, expression):
        result = self.order("Runtime.evaluate", expression=expression)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def press(self, button):
        """Clicks what leads to another page, and waits until that has loaded."""
        self.order("Runtime.evaluate", "Page.loadEventFired", expression=f"document.querySelector('{button}').click()")

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
    browser.evaluate("document.querySelector('input[name=user]').value = 'alice'")
    browser.press("input[type=submit]")
    for visits in range(3):
        text = browser.evaluate("document.body.innerText")
        if f"You are alice, visits: {visits}" not in text:
            raise RuntimeError(f"the page shows {text!r}")
        if visits < 2:
            browser.press("input[type=submit]")
finally:
    browser.end()
