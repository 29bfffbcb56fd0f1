#!/usr/bin/env bash
# How often gates cry wolf: an unchanged service against itself, RUNS times (20 unless said) under seeds 1, 2, 3…
# Prints the verdict of each run and the count; fails when more than one in twenty is an alarm.
set -euo pipefail
runs=${1:-20}
cd "$(dirname "$0")/../.."
cargo build --release --quiet
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
declare -A count=([0]=0 [1]=0 [3]=0)
for seed in $(seq "$runs"); do
  code=0
  target/release/comeback run harness/experiments/unchanged.toml --quiet --seed "$seed" --out "$folder/$seed" \
    >"$folder/$seed.txt" || code=$?
  count[$code]=$((${count[$code]:-0} + 1))
  printf 'seed %s: exit %s, ' "$seed" "$code"
  sed -n '/^verdict/,/^seed/p' "$folder/$seed.txt" | sed '$d' | tr '\n' ' '
  echo
done
echo "$runs runs: ${count[0]} passed, ${count[3]} inconclusive, ${count[1]} false alarms"
((count[1] * 20 <= runs))
