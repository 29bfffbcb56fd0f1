#!/bin/sh
# Installs the packages of PyPI for `harness/docs/data.md` into the folder `packages` beside this file, and nowhere else. Removing it
# undoes that. Where it is there already, nothing is asked for.
set -eu
cd "$(dirname "$0")"
# One at a time. Whoever waited finds the folder.
exec 9>.install.lock
flock 9
[ -d packages ] && exit
rm -rf packages.new
python3 -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: --target packages.new \
    duckdb==2.0.1 pandas==3.1.1 pyarrow==26.0.1
# All of it or nothing.
mv packages.new packages
