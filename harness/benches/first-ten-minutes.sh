#!/usr/bin/env bash
# The first ten minutes of a new user, on nine stacks that no test uses in this form: each server in `stacks/` is written as a beginner
# writes it, with a session, an action that counts, and a page that shows the count. The user knows README.md and docs/guide.md, has
# the requests as a browser or a shell copies them (`requests.sh`), and does nothing else:
#
#   file: comeback init NAME.toml --from-curl requests.sh --from-command …; comeback run NAME.toml
#   line: comeback run --trials 2 --login … --act … --check … --value … --identity … -- …
#
# Prints for each stack and way the seconds to a conclusive verdict, how often the file (or the line) had to be edited, and the verdict. A
# stack's edit is made only where the file did not work as it was written. Fails where a way ended without a verdict, took more than three
# minutes, or needed more than one edit.
#
#   harness/benches/first-ten-minutes.sh [STACK…]           COMEBACK=path: another program than a release build
#                                                           WAYS="file line": which ways; PACKAGES=folder: where packages are kept
#
# What it installs goes to a folder of its own (`target/stacks`): packages of npm and PyPI, and those of Debian unpacked there. Java is
# taken from PATH, as is Ruby with Rack; a stack whose language is missing is skipped, and named.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
stacks=$root/harness/benches/stacks
packages=${PACKAGES:-$root/target/stacks}
if [ -z "${COMEBACK:-}" ]; then
  cargo build --quiet --release --package comeback-cli --bin comeback
  COMEBACK=$root/target/release/comeback
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$packages"

# Packages of npm, beside the server, where Node.js looks for them.
npm_packages() {
  cp "$stacks/$stack/app.mjs" "$packages/$stack/"
  [ -d "$packages/$stack/node_modules" ] || npm install --silent --no-audit --no-fund --no-package-lock --prefix "$packages/$stack" "$@"
}
# A virtual environment, as Python's own tutorial makes it.
pip_packages() {
  [ -x "$packages/$stack/venv/bin/python" ] || python3 -m venv "$packages/$stack/venv"
  "$packages/$stack/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}
# Packages of Debian, unpacked and not installed.
debian_packages() {
  [ -d "$packages/$stack/usr" ] && return
  (cd "$packages/$stack" && apt-get download --quiet "$@" >/dev/null 2>&1 && for file in *.deb; do dpkg -x "$file" . && rm "$file"; done)
}

# For each stack: installs what it needs, then says its command, its variables, its one line without a file, and the edit that a user
# would make if the written file does not work.
prepare() {
  variables=() line=() edit=
  case $stack in
  express)
    npm_packages express@5 express-session@1
    command=(node "$packages/express/app.mjs") variables=(--env 'PORT={port}')
    line=(--login 'POST /login {"name":"u{{ session }}"}' --act 'POST /basket/add' --check 'GET /basket' --value /basket/items
      --identity '/name=u{{ session }}')
    ;;
  koa)
    npm_packages koa@3 koa-session@7 koa-bodyparser@4 @koa/router@15
    command=(node "$packages/koa/app.mjs" '{port}')
    line=(--login 'POST /session {"username":"u{{ session }}"}' --act 'POST /click' --check 'GET /profile' --value /clicks
      --identity '/user=u{{ session }}')
    ;;
  fastapi)
    pip_packages fastapi uvicorn
    command=("$packages/fastapi/venv/bin/uvicorn" --app-dir "$stacks/fastapi" main:app --port '{port}') variables=(--env 'DATA={data}')
    line=(--login 'POST /login {"username":"u{{ session }}","password":"secret"}' --act 'POST /notes' --check 'GET /notes'
      --value /notes/count --identity '/owner=u{{ session }}')
    ;;
  tornado)
    pip_packages tornado
    command=("$packages/tornado/venv/bin/python" "$stacks/tornado/app.py" '{port}')
    # Its login answers with a redirect: the guide says that a line is not enough.
    ;;
  bottle)
    pip_packages bottle waitress
    command=("$packages/bottle/venv/bin/python" "$stacks/bottle/app.py" '{port}' '{data}')
    line=(--login 'POST /login user=u{{ session }}' --act 'POST /like' --check 'GET /me' --value 'regex:this (\d+) times'
      --identity 'regex:<b>(\w+)</b>=u{{ session }}')
    ;;
  go)
    debian_packages golang-1.19-go golang-1.19-src
    (cd "$stacks/go" && GO111MODULE=off GOROOT=$packages/go/usr/lib/go-1.19 GOCACHE=$packages/go/cache \
      "$packages/go/usr/lib/go-1.19/bin/go" build -o "$packages/go/server" main.go)
    command=("$packages/go/server" -addr '127.0.0.1:{port}' -data '{data}')
    line=(--login 'POST /api/login {"user":"u{{ session }}"}' --act 'POST /api/count' --check 'GET /api/me' --value /count
      --identity '/user=u{{ session }}')
    ;;
  java)
    javac -d "$packages/java" "$stacks/java/Server.java"
    command=(java -cp "$packages/java" Server) variables=(--env 'SERVER_PORT={port}')
    line=(--login 'POST /login name=u{{ session }}' --act 'POST /play' --check 'GET /score' --value /points
      --identity '/name=u{{ session }}')
    ;;
  mojolicious)
    debian_packages libmojolicious-perl libjs-bootstrap4 libjs-highlight.js libjs-jquery
    command=(perl "$stacks/mojolicious/app.pl" daemon -l 'http://127.0.0.1:{port}')
    variables=(--env "PERL5LIB=$packages/mojolicious/usr/share/perl5")
    # Its forms carry CSRF tokens: there is no line for it, the guide says to record.
    ;;
  rack)
    command=(rackup --host 127.0.0.1 --port '{port}' "$stacks/rack/config.ru")
    line=(--login 'POST /login user=u{{ session }}' --act 'POST /stars' --check 'GET /stars' --value /stars
      --identity '/user=u{{ session }}')
    ;;
  *) return 1 ;;
  esac
}

# The program that a stack starts with, and that nothing here installs.
language_of() {
  case $1 in
  express | koa) echo npm ;;
  fastapi | tornado | bottle) echo python3 ;;
  java) echo javac ;;
  mojolicious) echo perl ;;
  rack) echo rackup ;;
  go) echo dpkg ;;
  esac
}

now() { date +%s.%N; }
# The verdict of a run, by its exit code.
verdict_of() {
  case $1 in
  0) echo pass ;;
  1) echo fail ;;
  3) echo inconclusive ;;
  *) echo "none (exit code $1)" ;;
  esac
}

by_file() {
  local code=0
  "$COMEBACK" init "$stack.toml" --from-curl "$stacks/$stack/requests.sh" "${variables[@]}" --from-command "${command[@]}" \
    >"file.txt" 2>&1 || code=$?
  if [ "$code" = 1 ] && [ -n "$edit" ]; then
    edits=1
    sed -i "$edit" "$stack.toml"
  fi
  code=0
  "$COMEBACK" run "$stack.toml" --quiet --out by-file >>"file.txt" 2>&1 || code=$?
  verdict=$(verdict_of "$code")
}
by_line() {
  local code=0
  "$COMEBACK" run --trials 2 "${line[@]}" "${variables[@]}" --quiet --out by-line -- "${command[@]}" >"line.txt" 2>&1 || code=$?
  # The user does what the message says.
  if [ "$code" = 3 ] && grep -q -- '--rate auto' line.txt; then
    edits=1 code=0
    "$COMEBACK" run --trials 2 "${line[@]}" "${variables[@]}" --rate auto --quiet --out by-line-again -- "${command[@]}" \
      >"line.txt" 2>&1 || code=$?
  fi
  verdict=$(verdict_of "$code")
}

[ $# -gt 0 ] || set -- express koa fastapi tornado bottle go java mojolicious rack
failed=0
printf '%-12s %-5s %8s %6s  %s\n' stack way seconds edits verdict
for stack in "$@"; do
  if ! command -v "$(language_of "$stack")" >/dev/null; then
    printf '%-12s skipped: %s is not installed\n' "$stack" "$(language_of "$stack")"
    continue
  fi
  mkdir -p "$packages/$stack" "$work/$stack"
  prepare
  cd "$work/$stack"
  for way in ${WAYS:-file line}; do
    [ "$way" = file ] || [ ${#line[@]} -gt 0 ] || continue
    edits=0 began=$(now)
    "by_$way"
    seconds=$(python3 -c "print(f'{$(now) - $began:.0f}')")
    printf '%-12s %-5s %8s %6s  %s\n' "$stack" "$way" "$seconds" "$edits" "$verdict"
    case $verdict in
    pass | fail) ;;
    *) failed=1 && sed 's/^/    /' "$way.txt" ;;
    esac
    if [ "$seconds" -gt 180 ] || [ "$edits" -gt 1 ]; then failed=1; fi
    sed -n '/^verdict/,/^seed/p' "$way.txt" | sed '$d; s/^/    /'
  done
  cd "$root"
done
exit "$failed"
