#!/bin/sh
# Installs the packages of npm that the tests of the pages run within a page: axe-core, which finds what keeps people with disabilities out,
# and pixelmatch, which tells how much two pictures differ to the eye. Into the folder of the first argument, and nowhere else. Where it is
# there already, nothing is asked for.
set -eu
mkdir -p "$1"
cd "$1"
# One at a time. Whoever waited finds the folder.
exec 9>.install.lock
flock 9
[ -d browser-packages ] && exit
rm -rf browser-packages.new
mkdir browser-packages.new
npm install --silent --no-audit --no-fund --no-update-notifier --no-package-lock --ignore-scripts --prefix browser-packages.new \
    axe-core@4.14.1 pixelmatch@5.3.0
# All of it or nothing.
mv browser-packages.new browser-packages
