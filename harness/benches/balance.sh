#!/usr/bin/env bash
# The builtin balancer beside HAProxy and nginx, in one run: the balancer on one pinned core, the client and two
# trivial replicas on the other, 32 connections, every reply checked. Prints, for each round: requests, failures, requests
# per second, and the processor time that the balancer took per request (user + system, from /proc/PID/stat). The
# `direct` lines are the same client without a balancer.
#
#   harness/benches/balance.sh [SECONDS [ROUNDS]]
#
# The rounds of the balancers take turns, so that what else the machine does meets all of them. A balancer that is not
# installed is named as skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-3}
rounds=${2:-3}
connections=32
base=$((20000 + RANDOM % 9000))
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

cargo build --quiet --release --package comeback-cli --bin comeback
bench=$(cargo bench --package comeback-load --bench saturate --no-run --message-format=json 2>/dev/null |
  grep -o '"executable":"[^"]*saturate[^"]*"' | tail -n 1 | cut -d'"' -f4)
comeback=$PWD/target/release/comeback

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

for replica in 1 2; do
  taskset -c 0 "$comeback" serve trivial --port $((base + replica)) --data "$work/$replica" &
  pids+=($!)
done
to=127.0.0.1:$((base + 1)),127.0.0.1:$((base + 2))

declare -A ports pid_of
started=()
port=$((base + 10))
for with in builtin haproxy nginx; do
  if [ "$with" != builtin ] && ! command -v "$with" >/dev/null; then
    echo "$with skipped: it is not installed"
    continue
  fi
  taskset -c 1 "$comeback" balance --port "$port" --to "$to" --with "$with" --data "$work/$with" >"$work/$with.log" 2>&1 &
  pids+=($!)
  pid_of[$with]=$! ports[$with]=$port
  started+=("$with")
  port=$((port + 1))
done
ports[direct]=$((base + 1))
for port in "${ports[@]}"; do
  for _ in $(seq 100); do listens "$port" && break || sleep 0.05; done
  listens "$port" || { echo "nobody listens at $port" >&2; exit 1; }
done

# Clock ticks of a process and its children (nginx has a worker) so far; their names have no spaces.
ticks() {
  local pid sum=0
  for pid in $1 $(cat "/proc/${1:-none}/task/${1:-none}/children" 2>/dev/null); do
    sum=$((sum + $(awk '{ print $14 + $15 }' "/proc/$pid/stat")))
  done
  echo "$sum"
}
per_second=$(getconf CLK_TCK)

measure() {
  local name=$1 pid=${pid_of[$1]:-} before after out
  before=$(ticks "$pid")
  out=$(taskset -c 0 "$bench" "${ports[$name]}" "$seconds" "$connections")
  after=$(ticks "$pid")
  awk -v name="$name" -v out="$out" -v ticks=$((after - before)) -v hz="$per_second" 'BEGIN {
    match(out, /"verified":[0-9]+/); verified = substr(out, RSTART + 11, RLENGTH - 11)
    match(out, /"failed":[0-9]+/); failed = substr(out, RSTART + 9, RLENGTH - 9)
    match(out, /"per_second":[0-9.]+/); rate = substr(out, RSTART + 13, RLENGTH - 13)
    cpu = ticks ? sprintf("%.1f us", ticks / hz * 1e6 / verified) : "-"
    printf "%-8s %8d requests %4d failed %8.0f /s  balancer %s per request\n", name, verified, failed, rate, cpu
  }'
}

for round in $(seq "$rounds"); do
  echo "round $round"
  for name in "${started[@]}" direct; do measure "$name"; done
done
