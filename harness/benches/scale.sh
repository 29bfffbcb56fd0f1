#!/usr/bin/env bash
# Time and memory of `comeback report` over operations and over trials. The runs are written from a stored one, which takes
# 1 GB of disk for 10,000,000 operations.
#
#   harness/benches/scale.sh [PROGRAM]     (default: target/release/comeback, built first)
set -euo pipefail
cd "$(dirname "$0")/../.."
build=(cargo build --quiet --release)
"${build[@]}" -p comeback-model --features testing --example enlarge
program=${1:-}
if [ -z "$program" ]; then
  "${build[@]}"
  program=${CARGO_TARGET_DIR:-target}/release/comeback
fi
exec python3 - "$program" "${CARGO_TARGET_DIR:-target}/release/examples/enlarge" <<'PYTHON'
import os, subprocess, sys, tempfile, time

program, enlarge = map(os.path.abspath, sys.argv[1:])
stored = "harness/cli/tests/data/journals/compare"


def measure(trials, operations):
    with tempfile.TemporaryDirectory(dir=os.environ.get("SCALE_DIR")) as folder:
        run = os.path.join(folder, "run")
        subprocess.run([enlarge, stored, run, str(trials), str(operations)], check=True)
        began = time.monotonic()
        pid = os.posix_spawn(program, [program, "report", run], os.environ,
                             file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
        _, status, used = os.wait4(pid, 0)
        took = time.monotonic() - began
        if status:
            sys.exit(f"comeback report ended with {status}")
        print(f"{trials:>8} {operations:>12,} {took:>9.2f} s {used.ru_utime + used.ru_stime:>9.2f} s "
              f"{used.ru_maxrss / 1024:>8.0f} MiB", flush=True)


print(f"{'trials':>8} {'operations':>12} {'time':>11} {'processor':>11} {'memory':>12}")
for operations in [10_000, 100_000, 1_000_000, 10_000_000]:
    measure(48, operations)
for trials in [12, 120, 1_200, 12_000]:
    measure(trials, 1_200_000)
PYTHON
