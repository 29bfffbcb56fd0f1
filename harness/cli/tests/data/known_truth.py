"""A server whose recovery is known beforehand: its first start is in order, every later one is out of order in one way for a
number of ms, and then in order. It writes what it knows to a file, in ns of CLOCK_MONOTONIC:

    login TRIAL USER NS       a login was read (at the first start; what lays the two clocks over each other)
    truth TRIAL KIND MS A B   from a moment between A and B on, a session's whole work was answered correctly

Usage: known_truth.py PORT LOG KIND MS
"""
import os
import socket
import struct
import sys
import threading
import time

PORT, LOG, KIND, MS = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
TRIAL = os.environ["COMEBACK_TRIAL"]
FIRST = os.environ["COMEBACK_INCARNATION"] == "0"
LOST = MS * 1_000_000
log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
sessions = {}
flapped = threading.Event()


def now():
    return time.monotonic_ns()


def say(*words):
    os.write(log, (" ".join(str(word) for word in words) + "\n").encode())


def until(moment):
    while (left := moment - now()) > 0:
        time.sleep(left / 1e9)


def reply(status, text="", more=""):
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(text)}\r\nconnection: close\r\n{more}\r\n"
    return (head + text).encode()


def correct(head, body):
    """What a server in order answers."""
    line = head.split("\r\n")[0]
    if line.startswith("POST /login"):
        user = body.split('"')[3]
        if FIRST:
            say("login", TRIAL, user, now())
        sessions[user] = 0
        return reply(200, '{"user":"%s","visits":0}' % user, f"set-cookie: sid={user}\r\n")
    user = head.split("sid=")[1].split("\r\n")[0].split(";")[0] if "sid=" in head else ""
    if user not in sessions:
        return reply(401)
    if line.startswith("POST /visit"):
        sessions[user] += 1
    return reply(200, '{"user":"%s","visits":%d}' % (user, sessions[user]))


def spoilt(kind, head, body):
    """The same for one that is out of order; None is no answer at all."""
    line = head.split("\r\n")[0]
    whole = correct(head, body)
    if kind == "unavailable":
        return reply(503)
    if kind == "half":
        return whole[:-3]
    if kind == "flap":
        if not flapped.is_set():
            flapped.set()
            return whole
        return reply(503)
    if kind == "black-hole":
        return None
    if kind == "login-only":
        return whole if line.startswith("POST /login") else reply(401)
    if kind == "no-check":
        return reply(500) if line.startswith("GET /me") else whole
    if kind == "check-hangs":
        return None if line.startswith("GET /me") else whole
    if kind == "empty":
        return reply(200, "{}")
    if kind == "stranger":
        return whole.replace(b'"user":"u', b'"user":"x')
    if kind == "no-cookie":
        return whole.replace(b"set-cookie", b"x-cookie--")
    if kind == "stuck-counter":
        return reply(200, '{"user":"%s","visits":0}' % head.split("sid=")[1].split("\r\n")[0]) \
            if line.startswith("POST /visit") and "sid=" in head else whole
    if kind == "redirects":
        return reply(302, "", "location: /login\r\n")
    raise SystemExit(f"no kind {kind}")


def read_request(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.decode()
    lines = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
    length = int(lines[0].split(":")[1]) if lines else 0
    while len(body) < length:
        piece = conn.recv(65536)
        if not piece:
            return None
        body += piece
    return head, body.decode()


def serve(conn, good_from):
    with conn:
        if now() < good_from and KIND == "resets":
            # To linger for no time is to reset.
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        try:
            request = read_request(conn)
            if request is None:
                return
            at = now()
            if at >= good_from:
                answer = correct(*request)
            elif KIND == "holds":
                until(good_from)
                answer = correct(*request)
            elif KIND == "slow":
                time.sleep(MS / 1e3)
                answer = correct(*request)
            else:
                answer = spoilt(KIND, *request)
            if answer is None:
                time.sleep(60)
                return
            conn.sendall(answer)
        except OSError:
            pass


def main():
    begun = now()
    good_from, truth = 0, None
    if not FIRST:
        if KIND == "large":
            pass
        good_from = begun + LOST
        if KIND in ("late", "large"):
            until(good_from)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", PORT))
    before = now()
    listener.listen(1024)
    after = now()
    if FIRST and KIND == "large":
        kept = bytearray(os.urandom(4096) * (64 * 1024))  # 256 MiB, every page its own
        globals()["kept"] = kept
    if not FIRST:
        if KIND in ("late", "large"):
            truth = (before, after)
        elif KIND == "slow":
            # Three answers one after the other take three times as long.
            truth = (before + 3 * LOST, after + 3 * LOST + 50_000_000)
            good_from = 1 << 62
        else:
            truth = (max(good_from, before), max(good_from, after))
        say("truth", TRIAL, KIND, MS, *truth)
        if KIND == "accepts-late":
            until(good_from)
    while True:
        conn, _ = listener.accept()
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(conn, good_from), daemon=True).start()


main()
