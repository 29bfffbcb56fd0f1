#!/usr/bin/env bash
# What a disk that forgets (the fault `power_loss`) costs: the same work on it and on the file system below it.
#
#   harness/benches/disk.sh [FOLDER]     (default: a folder in target/; COMEBACK names the program)
set -euo pipefail
cd "$(dirname "$0")/../.."
exec python3 - "${COMEBACK:-target/release/comeback}" "${1:-target}" <<'PYTHON'
import os, shutil, socket, subprocess, sys, tempfile, time

program, below = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
root = tempfile.mkdtemp(prefix="disk-", dir=below)
bare, mount, backing = (os.path.join(root, name) for name in ("bare", "mount", "backing"))
for folder in (bare, mount, backing):
    os.mkdir(folder)
ours, theirs = socket.socketpair()
disk = subprocess.Popen([program, "disk", "--model", "ext4", "--mount", mount, "--backing", backing], stdin=theirs)
theirs.close()
ours.sendall(b"health\n")
assert ours.recv(100) == b"ok\n"


def appends(folder, count, size, sync):
    with open(os.path.join(folder, "log"), "wb", buffering=0) as log:
        for _ in range(count):
            log.write(bytes(size))
            if sync:
                os.fdatasync(log.fileno())


def renames(folder, count):
    for _ in range(count):
        with open(os.path.join(folder, "new"), "wb") as new:
            new.write(bytes(200))
        os.rename(os.path.join(folder, "new"), os.path.join(folder, "old"))


def reads(folder, count):
    for _ in range(count):
        with open(os.path.join(folder, "old"), "rb") as old:
            old.read()


WORK = [
    ("append 200 bytes", 20_000, lambda folder, count: appends(folder, count, 200, False)),
    ("append 64 KiB", 1_000, lambda folder, count: appends(folder, count, 65_536, False)),
    ("append 200 bytes and fdatasync", 300, lambda folder, count: appends(folder, count, 200, True)),
    ("write a new file and rename it", 3_000, renames),
    ("open, read and close", 5_000, reads),
]
try:
    print(f"{'work':32} {'bare, a second':>16} {'disk, a second':>16} {'each costs more':>16}")
    for name, count, work in WORK:
        took = []
        for folder in (bare, mount):
            begun = time.perf_counter()
            work(folder, count)
            took.append((time.perf_counter() - begun) / count)
        print(f"{name:32} {1 / took[0]:16,.0f} {1 / took[1]:16,.0f} {(took[1] - took[0]) * 1e6:13,.0f} us")
finally:
    ours.close()
    disk.wait()
    shutil.rmtree(root)
PYTHON
