#!/usr/bin/env bash
# How often the default `compare` finds a server that acknowledges a write 100 µs before it stores it. Runs N comparisons of
# `early-ack`, each with another seed, and of its twin without the bug, and prints how many lost a write, beside the
# share that the runs claim for themselves. One comparison takes about a minute.
#
#   harness/benches/detection.sh [N [FLAGS OF COMPARE…]]        COMEBACK=path: another program than a release build
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:-20}
shift || true
if [ -z "${COMEBACK:-}" ]; then
  cargo build --quiet --release --package comeback --bin comeback
  COMEBACK=$PWD/target/release/comeback
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for seed in $(seq "$runs"); do
  "$COMEBACK" compare early-ack late-ack --quiet --seed "$seed" --out "$work/$seed" "$@" >/dev/null 2>&1 || true
done
python3 - "$work" <<'END'
import glob, json, sys
found, alarms, claimed, runs, after = 0, 0, [], 0, []
for path in glob.glob(f"{sys.argv[1]}/*/summary.json"):
    arms = {arm["name"]: arm for arm in json.load(open(path))["arms"]}
    runs += 1
    found += arms["early-ack"]["writes"]["lost"] > 0
    alarms += arms["late-ack"]["writes"]["lost"] > 0
    writes = arms["early-ack"]["strike"]["writes"]
    if writes:
        claimed.append(writes["early_ack_found"])
    if writes and writes["aimed_after_us"] is not None:
        after.append(writes["aimed_after_us"])
print(f"early-ack found in {found} of {runs} runs; claimed {100 * sum(claimed) / max(1, len(claimed)):.0f} % on average")
print(f"late-ack, without the bug: {alarms} of {runs} runs lost a write")
print(f"median of the runs' median time from mark to signal: {sorted(after)[len(after) // 2] if after else None} µs")
END
