#!/usr/bin/env python3
"""How large a report is, and how long a browser takes to open it, for 10, 100 and 1,000 trials.

The runs are made of the trials of a stored one, over and over, each at its own time and with its own seal. `comeback report` draws them,
and headless Chromium opens each page three times; the median is printed. Needs chromium and a built program:

    harness/benches/page.py target/release/comeback
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

STORED = pathlib.Path(__file__).parent.parent / "cli/tests/data/journals/compare"
SIZES = (10, 100, 1000)
OPENED = 3
TIMES = ("intended_us", "dispatched_us", "sent_us", "finished_us", "resent_us")

# Where a page can be used: its scripts have run, and what they drew is on the screen.
INTERACTIVE = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"


def checksum(row):
    """FNV-1a, as the seals of the journal have it."""
    digest = 0xCBF29CE484222325
    for byte in row.encode():
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return digest


def shifted(value, by, key=""):
    """An event at another time."""
    if isinstance(value, dict):
        return {name: shifted(inner, by, name) for name, inner in value.items()}
    moments = ("at_us", "requested_us", "last_failed_us", "last_us")
    return value + by if key in moments and isinstance(value, int) else value


def run_of(count, folder):
    """A stored run of so many trials."""
    lines = [json.loads(line) for line in (STORED / "journal.jsonl").read_text().splitlines()]
    head, *rows = (STORED / "operations.csv").read_text().splitlines()
    names = head.split(",")
    header, events = lines[0], lines[1:]
    schedule = header["schedule"]
    planned, schedule["trials"] = schedule["trials"], []
    schedule["spares"] = []
    length = max(event["at_us"] for event in events) + 1_000
    header["plan"]["trials"] = max(1, count // 8)
    journal, operations, total, of_run = [], [head], 0, 1
    for number in range(count):
        old = planned[number % len(planned)]
        by = number // len(planned) * length
        own = []
        for row in rows:
            cells = dict(zip(names, row.split(",")))
            if cells["trial"] != str(old["id"]):
                continue
            cells["trial"] = str(number)
            cells.update({key: str(int(cells[key]) + by) for key in TIMES if cells.get(key)})
            own.append(",".join(cells[name] for name in names))
        sums = sum(map(checksum, own)) % 2**64
        total = (total + sums) % 2**64
        operations += own
        schedule["trials"].append({**old, "id": number})
        of_trial = [event for event in events if event.get("trial") == old["id"]]
        for place, event in enumerate(of_trial):
            moved = {**shifted(event, by), "trial": number}
            if "seal" in moved:
                moved["seal"] = {"lines": place, "operations": len(own), "checksum": f"{sums:016x}"}
            journal.append(moved)
    first = [event for event in events if "trial" not in event and "seal" not in event]
    last = shifted(next(event for event in events if "trial" not in event and "seal" in event), count // len(planned) * length)
    journal = first + journal
    last["seal"] = {"lines": len(journal), "operations": len(operations) - 1, "checksum": f"{total:016x}"}
    text = [json.dumps(one, separators=(",", ":")) for one in [header, *journal, last]]
    (folder / "journal.jsonl").write_text("\n".join(text) + "\n")
    (folder / "operations.csv").write_text("\n".join(operations) + "\n")


class Browser:
    """Chromium without a window, told what to do over a pipe."""

    def __init__(self, profile):
        orders, self.orders = os.pipe()
        self.answers, answers = os.pipe()
        line = f'exec chromium --headless --no-sandbox --disable-gpu --remote-debugging-pipe --user-data-dir="{profile}" about:blank 3<&{orders} 4>&{answers} 2>/dev/null'
        self.process = subprocess.Popen(["bash", "-c", line], pass_fds=(orders, answers))
        self.number, self.rest, self.session = 0, b"", None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        self.call("Page.enable")

    def next(self):
        while b"\0" not in self.rest:
            self.rest += os.read(self.answers, 1 << 16)
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        order = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            order["sessionId"] = self.session
        os.write(self.orders, json.dumps(order).encode() + b"\0")
        while (message := self.next()).get("id") != self.number:
            pass
        return message["result"]

    def open(self, page):
        """Milliseconds until it can be used."""
        self.call("Page.navigate", url=f"file://{page}")
        seen = self.call("Runtime.evaluate", expression=INTERACTIVE, awaitPromise=True, returnByValue=True)
        return seen["result"]["value"]

    def close(self):
        self.call("Browser.close")
        self.process.wait()


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    print("| trials | operations | report.html, kB | drawn in, s | opened in, ms |\n|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        browser = Browser(f"{work}/profile")
        for count in SIZES:
            folder = pathlib.Path(work) / str(count)
            folder.mkdir()
            run_of(count, folder)
            began = time.monotonic()
            made = subprocess.run([program, "report", folder], capture_output=True, text=True, check=False)
            took = time.monotonic() - began
            page = folder / "report.html"
            if not page.exists():
                sys.exit(made.stderr)
            opened = statistics.median(browser.open(page) for _ in range(OPENED))
            operations = sum(1 for _ in (folder / "operations.csv").open()) - 1
            print(f"| {count} | {operations} | {page.stat().st_size / 1000:.0f} | {took:.1f} | {opened:.0f} |", flush=True)
        browser.close()


main()
