#!/bin/sh
# Installs the packages of npm for express.toml and fastify.toml into the folder `packages` beside this file, and nowhere else. Removing
# it undoes that. Where it is there already, nothing is asked for.
set -eu
cd "$(dirname "$0")"
# One at a time. Whoever waited finds the folder.
exec 9>.install.lock
flock 9
[ -d packages ] && exit
rm -rf packages.new
mkdir packages.new
npm install --silent --no-audit --no-fund --no-update-notifier --no-package-lock --prefix packages.new express@5.3.0 express-session@1.19.0 \
    session-file-store@1.5.0 fastify@5.12.8 @fastify/cookie@11.1.5 @fastify/session@11.1.3
# All of it or nothing.
mv packages.new packages
