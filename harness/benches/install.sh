#!/usr/bin/env bash
# Installs the program as a user does, from a copy of the sources in an empty folder, and then runs the files of a release on a machine
# that has nothing: a Debian root made by debootstrap. Prints each step with its seconds. A release build takes about ten minutes on two cores.
#
#   harness/benches/install.sh                              needs debootstrap, and root for the Debian root
#                                                           PACKAGE=FILE.deb: a package that is there already; JOBS=n: compile with n processes
#                                                           STEPS="cargo package debian": which steps
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
steps=${STEPS:-cargo package debian}
jobs=(${JOBS:+--jobs "$JOBS"})
began=$(date +%s)
step() {
  printf '%5s s  %s\n' $(($(date +%s) - began)) "$1"
}
does() {
  [[ " $steps " == *" $1 "* ]]
}
# A run that is judged, with the program at a path. Two kills of a server that writes down what it acknowledges.
try() {
  "$@" run --trials 2 --seed 7 --quiet --out run-out --login 'POST /login {"user":"u{{ session }}"}' --act 'POST /visit' --check 'GET /me' \
    --value /visits --identity '/user=u{{ session }}' -- "$@" serve journal --port '{port}' --data '{data}' | sed -n '/^verdict/,/^seed/p' | sed '$d'
}

if does cargo; then
  mkdir "$work/sources" "$work/cargo" "$work/elsewhere"
  # What git has, and nothing that a build left. A user has no target folder yet.
  git ls-files -z | tar --null --files-from - -cf - | tar -xf - -C "$work/sources"
  step 'the sources are in an empty folder'
  (cd "$work/sources" && CARGO_TARGET_DIR=$work/target cargo install --quiet --locked "${jobs[@]}" --path harness/cli --root "$work/cargo")
  step "cargo install --locked --path harness/cli: $(du -h "$work/cargo/bin/comeback" | cut -f1)"
  (cd "$work/elsewhere" && try "$work/cargo/bin/comeback")
  step 'the installed program has run'
fi

if does package && [ -z "${PACKAGE:-}" ]; then
  cargo xtask package
  PACKAGE=$(ls -t "$root"/target/package/comeback_*.deb | head -1)
  step "packaged: $PACKAGE"
fi

if does debian; then
  package=${PACKAGE:-$(ls -t "$root"/target/package/comeback_*.deb | head -1)}
  debootstrap --variant=minbase --include=libc6 "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/debian" >"$work/debootstrap.txt" ||
    { tail -5 "$work/debootstrap.txt" && exit 1; }
  step 'debootstrap: a Debian root with nothing but its base'
  cp "$package" "$work/debian/comeback.deb"
  # Processes and mounts of its own, so that none is left. The network is this machine's, for 127.0.0.1.
  unshare --mount --pid --fork chroot "$work/debian" sh -eu <<'END' | sed 's/^/         /'
mount -t proc none /proc
mount -t tmpfs none /tmp
mount -t devtmpfs none /dev 2>/dev/null || true
dpkg --install /comeback.deb
comeback --version
comeback doctor || test $? = 4
cd /tmp
comeback run --trials 2 --seed 7 --quiet --login 'POST /login {"user":"u{{ session }}"}' --act 'POST /visit' --check 'GET /me' \
  --value /visits --identity '/user=u{{ session }}' -- comeback serve journal --port '{port}' --data '{data}' >run.txt 2>&1 || { cat run.txt && exit 1; }
sed -n '/^verdict/,/^seed/p' run.txt
END
  step 'the package is installed and has judged a run'
fi
