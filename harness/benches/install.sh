#!/usr/bin/env bash
# Installs the program as a user does, from a copy of the sources in an empty folder, and then runs the files of a release on a machine
# that has nothing: a Debian root made by debootstrap. Prints each step with its seconds. A release build takes about ten minutes on two cores.
#
#   harness/benches/install.sh                              needs git, and for the Debian root debootstrap, root, and leave to make device
#                                                           files (mknod), which most containers have not
#                                                           PACKAGE=FILE.deb: a package that is there already; JOBS=n: compile with n processes
#                                                           STEPS="cargo package debian": which steps
#                                                           MIRROR=https://deb.debian.org/debian: where debootstrap gets Debian from
set -euo pipefail
# A path as it was given, before the first `cd`.
[ -z "${PACKAGE:-}" ] || PACKAGE=$(realpath --canonicalize-existing "$PACKAGE")
cd "$(dirname "$0")/../.."
root=$PWD
# Not in /tmp, which may be small, or allow neither programs nor device files.
mkdir -p "$root/target"
work=$(mktemp -d -p "$root/target")
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
# Seen first, and not after ten minutes of compiling.
if does debian; then
  for program in debootstrap unshare chroot; do
    command -v "$program" >/dev/null || {
      echo "the step debian needs $program: install its package, or leave the step out (STEPS=\"cargo package\")" >&2
      exit 2
    }
  done
  if [ "$(id -u)" != 0 ] || ! mknod "$work/null" c 1 3; then
    echo 'the step debian needs root, and leave to make device files: use sudo, or leave the step out (STEPS="cargo package")' >&2
    exit 2
  fi
fi
# A run that is judged, with the program at a path. Two kills of a server that writes down what it acknowledges.
try() {
  "$@" run --trials 2 --seed 7 --quiet --out run-out --login 'POST /login {"user":"u{{ session }}"}' --act 'POST /visit' --check 'GET /me' \
    --value /visits --identity '/user=u{{ session }}' -- "$@" serve journal --port '{port}' --data '{data}' | sed -n '/^verdict/,/^seed/p' | sed '$d'
}

if does cargo; then
  mkdir "$work/sources" "$work/cargo" "$work/elsewhere"
  # What a user gets who clones: the last commit, without a target folder.
  git archive HEAD | tar -xf - -C "$work/sources"
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
  debootstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/debian" ${MIRROR:+"$MIRROR"} \
    >"$work/debootstrap.txt" 2>&1 || {
    echo 'debootstrap failed:'
    tail -n 20 "$work/debootstrap.txt" "$work/debian/debootstrap/debootstrap.log" 2>/dev/null | sed 's/^/    /'
    exit 1
  }
  step 'debootstrap: a Debian root with nothing but its base'
  cp "$package" "$work/debian/comeback.deb"
  # Processes and mounts of its own, so that none is left. The network is this machine's, for 127.0.0.1.
  unshare --mount --pid --fork env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    chroot "$work/debian" sh -eu <<'END' | sed 's/^/         /'
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
