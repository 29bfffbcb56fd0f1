#!/usr/bin/env bash
# What a trial takes beyond its planned windows: starting and stopping the server, opening and reading back
# the sessions, and the harness's own part of all that. Also where the time to recover of `token` goes.
#
#   harness/benches/overhead.sh [RUN]     (default: comeback-runs/latest)
set -euo pipefail
exec python3 - "${1:-comeback-runs/latest}" <<'PYTHON'
import json, statistics, sys

lines = open(f"{sys.argv[1]}/journal.jsonl").read().splitlines()
header, events = json.loads(lines[0]), [json.loads(line) for line in lines[1:]]
UNITS = {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}


def ms(text):
    number = text.rstrip("ums")
    return float(number) * UNITS[text[len(number):]]


windows = header["plan"]["windows"]
arms = [arm["name"] for arm in header["plan"]["arms"]]
beyond, chain = [], []
for planned in header["schedule"]["trials"]:
    at = {}
    for event in events:
        if event.get("trial") == planned["id"]:
            kind = event["kind"]
            name = f'{kind["type"]} {kind.get("phase", kind.get("incarnation", ""))}'.strip()
            at.setdefault(name, event["at_us"] / 1e3)
    if "trial_aborted" in at or "trial_ended" not in at:
        continue
    planned_ms = ms(windows["warm_up"]) + ms(windows["baseline"]) + ms(windows["settle"])
    if planned["fault_after"]:
        planned_ms += ms(planned["fault_after"])
        planned_ms += at["first_correct"] - at["fault_requested"]
        if arms[planned["arm"]] == "token":
            chain.append([at["target_exited 0"] - at["fault_requested"],
                          at["target_executed 1"] - at["target_exited 0"],
                          at["first_accept"] - at["target_executed 1"],
                          at["first_correct"] - at["first_accept"]])
    beyond.append(at["trial_ended"] - at["trial_started"] - planned_ms)

print(f"beyond the planned windows, over {len(beyond)} trials: median {statistics.median(beyond):.1f} ms, "
      f"most {max(beyond):.1f} ms")
if chain:
    parts = [statistics.median(part) for part in zip(*chain)]
    whole = statistics.median(map(sum, chain))
    names = ["exit confirmed", "executed", "accepted", "answered"]
    print(f"token, killed to first correct answer, over {len(chain)} trials: median {whole:.1f} ms ("
          + ", ".join(f"{name} {part:.1f}" for name, part in zip(names, parts)) + ")")
PYTHON
