#!/usr/bin/env bash
# What the proxy of the fault `connections` costs while it does nothing: the trivial reference server asked directly and through
# the proxy, by the load generator in a closed loop, over one connection and over 32. Prints, for each round, requests per second
# and microseconds per request, and at the end the medians: what one request takes more through the proxy, and the ratio of the
# rates.
#
#   harness/benches/proxy.sh [SECONDS [ROUNDS]]
#
# Direct and proxied rounds take turns, so that what else the machine does meets both. Nothing is pinned: a run does not pin its
# proxies either.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-3}
rounds=${2:-5}
base=$((20000 + RANDOM % 9000))
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

built=$(cargo build --quiet --release --workspace --bin comeback --bench saturate --message-format=json 2>/dev/null)
bench=$(grep -o '"executable":"[^"]*saturate[^"]*"' <<<"$built" | tail -n 1 | cut -d'"' -f4)
comeback=$PWD/target/release/comeback

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

server=$((base + 1)) proxy=$((base + 2))
"$comeback" serve trivial --port "$server" --data "$work/server" &
pids+=($!)
for _ in $(seq 100); do listens "$server" && break || sleep 0.05; done
"$comeback" fault-proxy --port "$proxy" --to "$server" --control "comeback-bench-$$" >"$work/log" &
pids+=($!)
for _ in $(seq 100); do listens "$proxy" && break || sleep 0.05; done

measure() {
  local how=$1 port=$2 connections=$3
  "$bench" "$port" "$seconds" "$connections" |
    grep -o '"per_second":[0-9.]*' | cut -d: -f2 |
    awk -v how="$how" -v connections="$connections" \
      '{ printf "%-8s %3d connections %9.0f /s %8.1f us per request\n", how, connections, $1, connections * 1e6 / $1 }'
}

for round in $(seq "$rounds"); do
  echo "round $round"
  for connections in 1 32; do
    measure direct "$server" "$connections"
    measure proxied "$proxy" "$connections"
  done
done | tee "$work/figures"

awk '
  function median(list, count,    i, j, swap) {
    for (i = 1; i <= count; i++) for (j = i + 1; j <= count; j++)
      if (list[j] < list[i]) { swap = list[i]; list[i] = list[j]; list[j] = swap }
    return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
  }
  /connections/ { count[$1, $2]++; rate[$1, $2, count[$1, $2]] = $4 }
  END {
    split("1 32", widths, " ")
    for (w = 1; w <= 2; w++) {
      width = widths[w]
      for (i = 1; i <= count["direct", width]; i++) direct[i] = rate["direct", width, i]
      for (i = 1; i <= count["proxied", width]; i++) proxied[i] = rate["proxied", width, i]
      d = median(direct, count["direct", width]); p = median(proxied, count["proxied", width])
      printf "%d connections: %.0f /s direct, %.0f /s through the proxy (%.2f of it), %.1f us more per request\n",
        width, d, p, p / d, width * 1e6 / p - width * 1e6 / d
    }
  }' "$work/figures"
