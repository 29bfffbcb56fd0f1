#!/bin/sh
# Installs the packages of these experiments into the folder `packages` beside this file, and nowhere else. Removing it undoes that.
# Needs pip and npm. What is there already is not asked for again.
set -eu
cd "$(dirname "$0")"
python() {
    [ -e "packages/$1-$2" ] || python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --no-compile --target "packages/$1-$2" "$1==$2"
}
node() {
    [ -e "packages/npm/node_modules/$1" ] || npm install --silent --no-audit --no-fund --no-package-lock \
        --prefix packages/npm "$1@$2"
}
mkdir -p packages/npm
# One at a time.
exec 9> packages/.lock
flock 9
python diskcache 5.6.3
node express 5.3.0
node express-session 1.19.0
node connect-loki 1.2.0
node session-file-store 1.5.0
