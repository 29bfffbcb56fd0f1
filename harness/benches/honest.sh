#!/usr/bin/env bash
# Crashes of honest servers, each with the gates that it must hold: no trial may fail. Prints for each server how many trials
# there were, how its gates came out, and why where one did not hold. By default 10 arms with 40 crashes each, about 15 minutes.
#
#   harness/benches/honest.sh [TRIALS [SEED]]               COMEBACK=path: another program than a release build
set -euo pipefail
cd "$(dirname "$0")/../.."
trials=${1:-40}
seed=${2:-1}
if [ -z "${COMEBACK:-}" ]; then
  cargo build --quiet --release --package comeback-cli --bin comeback
  COMEBACK=$PWD/target/release/comeback
fi
work=$(mktemp -d)
# PostgreSQL runs as another user where this is root.
chmod 711 "$work"
trap 'rm -rf "$work"' EXIT
gates=(--gate 'unrecovered == 0' --gate 'lost_sessions == 0' --gate 'lost_writes == 0' --gate 'wrong_identity == 0'
  --gate 'duplicated_writes == 0' --gate 'phantom_writes == 0')
measure() {
  local name=$1
  shift
  "$COMEBACK" compare "$@" --quick --quiet --trials "$trials" --seed "$seed" --sessions 40 --rate 200 --out "$work/$name" \
    "${gates[@]}" >"$work/$name.txt" 2>&1 || [ $? -le 3 ] || cat "$work/$name.txt"
}
measure alone token journal sqlite late-ack finishes-on-term
measure replicas --topology token redis-always postgres
measure store --topology redis-always postgres --fault-target store
python3 - "$work" "$trials" <<'END'
import json, os, sys

asked, all_trials, fails, open_gates = sys.argv[2], 0, 0, 0
for name in ["alone", "replicas", "store"]:
    path = f"{sys.argv[1]}/{name}/summary.json"
    if not os.path.exists(path):
        print(f"{name}: no summary; it said:\n" + open(f"{sys.argv[1]}/{name}.txt").read())
        fails += 1
        continue
    run = json.load(open(path))
    for arm in run["arms"]:
        judged = [gate for gate in run["gates"] if gate["arm"] == arm["name"]]
        by = {word: [gate for gate in judged if gate["outcome"] == word] for word in ("pass", "fail", "inconclusive")}
        all_trials += arm["trials"]
        fails += len(by["fail"])
        open_gates += len(by["inconclusive"])
        print(f"{name:9} {arm['name']:28} {arm['trials']:3} of {asked} trials count; gates: {len(by['pass'])} hold, "
              f"{len(by['fail'])} broken, {len(by['inconclusive'])} inconclusive")
        for gate in by["fail"] + by["inconclusive"]:
            print(f"    {gate['outcome']}: {gate['gate']}: {gate['detail']}")
    for reason in run["reasons"]:
        print(f"    {name}: {reason}")
print(f"{all_trials} trials on honest servers count: {fails} gates broken, {open_gates} inconclusive")
sys.exit(1 if fails else 0)
END
