#!/usr/bin/env bash
# Makes the stored journals of this folder anew, each with the summary that the present program computes from it. Run it
# only when a summary is meant to change: the test `journals` exists to see what changes a number that nobody meant to change.
#
#   harness/cli/tests/data/journals/make.sh [PROGRAM]           default: target/debug/comeback
#   harness/cli/tests/data/journals/make.sh --summaries [PROGRAM]   keep the journals, write only their summaries
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../../.." && pwd)
only_summaries=false
if [ "${1:-}" = --summaries ]; then
  only_summaries=true
  shift
fi
program=$(realpath "${1:-$root/target/debug/comeback}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$program" "$work/bin/comeback"
export PATH="$work/bin:$PATH"

# Stores a run's journal.
keep() { # NAME
  rm -rf "${here:?}/$1"
  mkdir "$here/$1"
  cp "$work/$1/journal.jsonl" "$work/$1/operations.csv" "$here/$1/"
  # Where it was made is nobody's business, and in no figure.
  sed -i "s|$program|comeback|g; s|$work|/tmp/run|g" "$here/$1/journal.jsonl"
}

run() { # NAME WORDS…
  local name=$1
  shift
  # Whatever the verdict is: each of them is worth keeping.
  (cd "$work" && comeback "$@" --quiet --out "$name" >/dev/null 2>&1) || true
  keep "$name"
}

small=(--quick --trials 1 --sessions 6 --rate 80 --seed 3)
if ! $only_summaries; then
  run compare compare token memory journal buffered "${small[@]}"
  run topology compare --topology sticky round-robin "${small[@]}"
  run rolling-restart compare --topology token --fault rolling-restart "${small[@]}"
  run deploy compare --topology token --deploy token-v2 --fault deploy "${small[@]}"
  run pause compare sqlite --fault pause "${small[@]}"
  run cache run "$root/harness/experiments/cache.toml" --trials 1 --sessions 6 --rate 60 --seed 3
  run retry compare lost-replies --retry-by none,client "${small[@]}"
  run zombies compare zombie "${small[@]}"
  run never-back compare never-back --horizon 500ms "${small[@]}"
  run old-process compare orphan-keeps-port --horizon 500ms "${small[@]}"
  run void compare stalls "${small[@]}"
  run several run "$here/../several.toml"
  # Alone on the machine: the tests of `diff` tell these two apart by their times.
  run four-crashes compare token --quick --trials 4 --sessions 6 --rate 150 --seed 5
  run listens-late compare late-listener --quick --trials 4 --sessions 6 --rate 150 --seed 5
  # As a crash of the harness leaves it: the last line is torn.
  rm -rf "${here:?}/torn"
  mkdir "$here/torn"
  head -c -40 "$here/compare/journal.jsonl" >"$here/torn/journal.jsonl"
  cp "$here/compare/operations.csv" "$here/torn/"
fi

for journal in "$here"/*/journal.jsonl; do
  folder=$(dirname "$journal")
  name=$(basename "$folder")
  mkdir -p "$work/again"
  rm -rf "${work:?}/again/$name"
  mkdir "$work/again/$name"
  cp "$folder/journal.jsonl" "$folder/operations.csv" "$work/again/$name/"
  (cd "$work/again" && comeback report "$name" >/dev/null 2>&1) || true
  cp "$work/again/$name/summary.json" "$folder/summary.json"
done
