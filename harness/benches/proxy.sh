#!/usr/bin/env bash
# What the proxy of the fault `connections` costs while it does nothing: the trivial reference server asked directly and through
# the proxy, in a closed loop over one connection and over 32. Prints the requests per second of each round, and at the end what one
# request takes more through the proxy (over one connection), and the ratio of the rates.
#
#   harness/benches/proxy.sh [SECONDS [ROUNDS]]      (COMEBACK=PATH for a program that is built already)
#
# Direct and proxied rounds take turns, so that what else the machine does meets both. Nothing is pinned: a run does not pin its
# proxies either.
set -euo pipefail
cd "$(dirname "$0")/../.."
comeback=${COMEBACK:-}
if [ -z "$comeback" ]; then
  cargo build --quiet --release --package comeback-cli --bin comeback
  comeback=$PWD/target/release/comeback
fi
exec python3 - "$comeback" "${1:-2}" "${2:-5}" <<'PYTHON'
import os, selectors, socket, statistics, subprocess, sys, tempfile, time

comeback, seconds, rounds = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
REQUEST = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def connect(port):
    until = time.monotonic() + 10
    while True:
        try:
            client = socket.create_connection(("127.0.0.1", port))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return client
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def rate(port, connections):
    """Requests per second; every reply must be a whole 200."""
    poll = selectors.DefaultSelector()
    for _ in range(connections):
        client = connect(port)
        poll.register(client, selectors.EVENT_READ)
        client.sendall(REQUEST)
    done, begun = 0, time.monotonic()
    while time.monotonic() - begun < seconds:
        for key, _ in poll.select(1):
            reply = key.fileobj.recv(65536)
            assert reply.startswith(b"HTTP/1.1 200"), reply
            done += 1
            key.fileobj.sendall(REQUEST)
    took = time.monotonic() - begun
    for key in list(poll.get_map().values()):
        key.fileobj.close()
    return done / took


server, proxy, rates, started = free_port(), free_port(), {}, []
with tempfile.TemporaryDirectory() as data:
    try:
        for port, words in (
                (server, ["serve", "trivial", "--port", server, "--data", data]),
                (proxy, ["fault-proxy", "--port", proxy, "--to", server, "--control", f"comeback-bench-{os.getpid()}"])):
            started.append(subprocess.Popen([comeback, *map(str, words)], stdout=subprocess.DEVNULL))
            connect(port).close()
        for number in range(rounds):
            for connections in (1, 32):
                for how, port in (("direct", server), ("proxied", proxy)):
                    measured = rate(port, connections)
                    rates.setdefault((how, connections), []).append(measured)
                    print(f"round {number + 1}  {how:8} {connections:3} connections {measured:9.0f} /s", flush=True)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()
for connections in (1, 32):
    direct, proxied = (statistics.median(rates[how, connections]) for how in ("direct", "proxied"))
    more = f", {1e6 / proxied - 1e6 / direct:.0f} us more per request" if connections == 1 else ""
    print(f"{connections} connections, medians: {direct:.0f} /s direct, {proxied:.0f} /s through the proxy, "
          f"{proxied / direct:.2f} of it{more}")
PYTHON
