#!/usr/bin/env bash
# The load generator at saturation beside wrk and oha, in one run: one pinned core for the client, the other
# for a trivial server, 64 connections. Prints, for each: requests, requests per second, processor time per
# request, and instructions per request where they can be counted.
#
#   harness/benches/load.sh [SECONDS]
#
# Instructions come from `perf stat` (user + kernel) where the machine has counters; elsewhere user space is
# counted by `valgrind --tool=callgrind`, and the kernel's part is left out and said so. A tool that is not
# installed is named as skipped. The last lines give the generator's send lag in an open loop.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-5}
connections=64
port=$((20000 + RANDOM % 10000))
url=http://127.0.0.1:$port/
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

cargo build --quiet --release --package comeback-cli --bin comeback
bench=$(cargo bench --package comeback-load --bench saturate --no-run --message-format=json 2>/dev/null |
  grep -o '"executable":"[^"]*saturate[^"]*"' | tail -n 1 | cut -d'"' -f4)
taskset -c 1 target/release/comeback serve trivial --port "$port" --data "$work" &
server=$!
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done

# What a client printed → how many requests it made.
requests_of() {
  case $1 in
    comeback) grep -o '"verified":[0-9]*' "$2" | cut -d: -f2 ;;
    wrk) awk '/requests in/ { print $1 }' "$2" ;;
    oha) grep -o '"2[0-9][0-9]": *[0-9]*' "$2" | awk -F: '{ sum += $2 } END { print sum + 0 }' ;;
  esac
}

# Every client answers `<command> <seconds>`.
comeback_client() { "$bench" "$port" "$1" "$connections"; }
wrk_client() { wrk -t1 -c"$connections" -d"${1}s" "$url"; }
oha_client() { oha --no-tui --output-format json -c "$connections" -z "${1}s" "$url"; }

counters=no
if perf stat -e instructions true 2>&1 | grep -qE '^ *[0-9,]+ +instructions'; then counters=yes; fi

measure() {
  local name=$1 out="$work/$1.out"
  if [ "$name" != comeback ] && ! command -v "$name" >/dev/null; then
    printf '%-9s skipped: it is not installed\n' "$name"
    return
  fi
  local begin end cpu requests instructions='-'
  begin=$(cut -d' ' -f16,17 /proc/$$/stat)
  TIMEFORMAT='%U %S'
  cpu=$({ time taskset -c 0 bash -c "$(declare -f "${name}_client"); bench=$bench port=$port connections=$connections url=$url; ${name}_client $seconds" >"$out" 2>/dev/null; } 2>&1)
  requests=$(requests_of "$name" "$out")
  if [ "$counters" = yes ]; then
    instructions=$(taskset -c 0 perf stat -x, -e instructions bash -c "$(declare -f "${name}_client"); bench=$bench port=$port connections=$connections url=$url; ${name}_client $seconds" 2>&1 >"$out.perf" | awk -F, '/instructions/ { print $1 }')
    instructions="$((instructions / $(requests_of "$name" "$out.perf"))) user + kernel"
  elif command -v valgrind >/dev/null; then
    instructions="$(under_callgrind "$name") user"
  fi
  awk -v name="$name" -v requests="$requests" -v seconds="$seconds" -v instructions="$instructions" \
    '{ printf "%-9s %9d requests %8.0f /s %6.1f us user %6.1f us system per request, instructions per request: %s\n", name, requests, requests / seconds, $1 * 1e6 / requests, $2 * 1e6 / requests, instructions }' <<<"$cpu"
}

# Two lengths, so that the tool's own start is taken off.
under_callgrind() {
  local name=$1 length counts=() made=()
  for length in 2 6; do
    local out="$work/$name.callgrind.$length"
    case $name in
      comeback) valgrind --tool=callgrind --callgrind-out-file="$work/cg" "$bench" "$port" "$length" "$connections" >"$out" 2>"$out.err" ;;
      wrk) valgrind --tool=callgrind --callgrind-out-file="$work/cg" wrk -t1 -c"$connections" -d"${length}s" "$url" >"$out" 2>"$out.err" ;;
      oha) valgrind --tool=callgrind --callgrind-out-file="$work/cg" oha --no-tui --output-format json -c "$connections" -z "${length}s" "$url" >"$out" 2>"$out.err" ;;
    esac || true
    counts+=("$(awk '/Collected/ { print $4 }' "$out.err")")
    made+=("$(requests_of "$name" "$out")")
  done
  echo $(((counts[1] - counts[0]) / (made[1] - made[0])))
}

[ "$counters" = yes ] || echo "this machine has no instruction counters: user space by callgrind, the kernel not counted"
for client in comeback wrk oha; do measure "$client"; done
for rate in 500 5000; do
  printf 'send lag at %s/s, open loop, in us: ' "$rate"
  taskset -c 0 "$bench" "$port" "$seconds" "$connections" "$rate" | grep -o '"send_lag_us":{[^}]*}' | cut -d: -f2-
done
