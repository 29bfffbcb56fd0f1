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
  cargo build --quiet --release --package comeback-cli --bin comeback
  COMEBACK=$PWD/target/release/comeback
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for seed in $(seq "$runs"); do
  "$COMEBACK" compare early-ack late-ack --quiet --seed "$seed" --out "$work/$seed" "$@" >/dev/null 2>&1 || true
done
python3 - "$work" <<'END'
import glob, json, math, sys

def at_least(found, of):
    """Wilson's lower bound, one-sided 95 %."""
    z, p = 1.6449, found / of
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return max(0.0, (p + z * z / (2 * of) - half) / (1 + z * z / of))

def median(values):
    return sorted(values)[len(values) // 2] if values else None

found, alarms, claimed, after = [], 0, [], []
for path in sorted(glob.glob(f"{sys.argv[1]}/*/summary.json")):
    arms = {arm["name"]: arm for arm in json.load(open(path))["arms"]}
    early, late = arms["early-ack"], arms["late-ack"]
    met = early["strike"]["writes"]
    if not met:
        print(f"{path}: no fault of early-ack counts: {early['reason']}")
        continue
    found.append(early["writes"]["lost"] > 0)
    alarms += late["writes"]["lost"] > 0
    claimed.append(met["early_ack_found"])
    if met["aimed_after_us"] is not None:
        after.append(met["aimed_after_us"])
runs = len(found)
if not runs:
    sys.exit("no run was measured")
print(f"early-ack found in {sum(found)} of {runs} runs ({100 * sum(found) / runs:.0f} %, surely at least {100 * at_least(sum(found), runs):.0f} %)")
print(f"the runs claim {100 * sum(claimed) / runs:.0f} % on average, {100 * min(claimed):.0f} % at least")
print(f"late-ack, without the bug: {alarms} of {runs} runs lost a write")
print(f"median of the runs' median time from the reading of an acknowledgement to the signal: {median(after)} µs")
END
