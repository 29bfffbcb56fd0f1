#!/usr/bin/env bash
# The first ten minutes of a new user, on twelve stacks. Eight are frameworks that no test uses: Koa, hapi, Tornado, aiohttp, Falcon, Bottle,
# Mojolicious, Rack. Four are known to the tests, and are written in another form here: Express, FastAPI, Go, Java. Each server in `stacks/` is
# written as a beginner writes it, with a session, an action that counts, and a page that shows the count. The user knows README.md and
# docs/guide.md, has the requests as a browser or a shell copies them (`requests.sh`), and does nothing else:
#
#   file: comeback init NAME.toml --from-curl requests.sh --from-command …; comeback run NAME.toml
#   line: comeback run --trials 2 --login … --act … --check … --value … --identity … -- …
#
# Prints for each stack and way the seconds to a conclusive verdict, the edits, and the verdict. Two things are an edit:
# to fill in all that `init` says it could not infer, and to write another rate where an inconclusive run advises one, in the file or behind the
# line. With 0 the first file, or the first line, was judged as it was.
#
# Fails where a way ended without a verdict, took more than three minutes, or needed more than one edit, where a stack could not be installed,
# and where one of the eight (or of those named) did not run.
#
#   harness/benches/first-ten-minutes.sh [STACK…]           COMEBACK=path: another program than a release build
#                                                           WAYS="file line": which ways; PACKAGES=folder: where packages are kept
#
# What it installs goes to a folder of its own (`target/stacks`): packages of npm and PyPI, and those of Debian unpacked there. Node.js with npm,
# Python with venv, Java, Perl, and Ruby with Rack are the machine's; a stack whose language is missing is skipped, and named. Go is the
# machine's, too, or else unpacked from Debian.
set -euo pipefail
# Paths as they were given, before the first `cd`.
[ -z "${COMEBACK:-}" ] || COMEBACK=$(realpath --canonicalize-existing "$COMEBACK")
[ -z "${PACKAGES:-}" ] || PACKAGES=$(realpath --canonicalize-missing "$PACKAGES")
cd "$(dirname "$0")/../.."
root=$PWD
stacks=$root/harness/benches/stacks
unknown_to_tests=(koa hapi tornado aiohttp falcon bottle mojolicious rack)
known_to_tests=(express fastapi go java)

# What has to run: those that were named, or the eight.
needed=("$@")
if [ $# = 0 ]; then
  needed=("${unknown_to_tests[@]}")
  set -- "${unknown_to_tests[@]}" "${known_to_tests[@]}"
fi
for stack in "$@"; do
  if [ ! -d "$stacks/$stack" ]; then
    echo "no stack is called $stack: there are $(ls "$stacks" | xargs)" >&2
    exit 2
  fi
done

packages=${PACKAGES:-$root/target/stacks}
mkdir -p "$packages"
if [ -z "${COMEBACK:-}" ]; then
  cargo build --quiet --release --package comeback-cli --bin comeback
  COMEBACK=$(realpath "${CARGO_TARGET_DIR:-target}/release/comeback")
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The servers' folder holds sources alone.
export PYTHONDONTWRITEBYTECODE=1

# Installs packages by a function, once. What is half installed has no stamp, and is begun anew.
once() {
  local stamp=$packages/$stack/installed wanted="$* in $packages/$stack"
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "${packages:?}/$stack" && mkdir "$packages/$stack" && "$@" && echo "$wanted" >"$stamp"
  fi
}
# Packages of npm, beside the server, where Node.js looks for them.
npm_packages() {
  npm install --loglevel=error --no-audit --no-fund --no-package-lock --prefix "$packages/$stack" "$@"
}
# A virtual environment, as Python's own tutorial makes it.
pip_packages() {
  python3 -m venv "$packages/$stack/venv" &&
    "$packages/$stack/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}
# Packages of Debian, unpacked and not installed.
debian_packages() {
  (
    cd "$packages/$stack" && apt-get download --quiet --quiet "$@" || exit 1
    for file in *.deb; do
      dpkg -x "$file" . && rm "$file" || exit 1
    done
  )
}

# What a stack needs and the machine does not have, with Debian's package; nothing if all is there.
missing_for() {
  case $1 in
  koa | hapi | express) command -v npm >/dev/null || echo 'npm (package npm)' ;;
  tornado | aiohttp | falcon | bottle | fastapi)
    if ! command -v python3 >/dev/null; then
      echo 'python3 (package python3-venv)'
    elif ! python3 -c 'import ensurepip' 2>/dev/null; then
      echo "Python's ensurepip (package python3-venv)"
    fi
    ;;
  mojolicious) command -v perl >/dev/null && command -v apt-get >/dev/null || echo 'perl with apt-get' ;;
  rack) command -v rackup >/dev/null || echo 'rackup (packages ruby-rack and ruby-webrick)' ;;
  go) command -v go >/dev/null || command -v apt-get >/dev/null || echo 'go (package golang-go)' ;;
  java) command -v javac >/dev/null || echo 'javac (package default-jdk)' ;;
  esac
}

# For each stack: installs what it needs, then says its command, its variables, its one line without a file, and what the user fills in where
# the written file says that it has to be. Fails if the installation fails: behind `||` the shell does not end by itself.
prepare() {
  variables=() line=() edit=
  case $stack in
  express)
    once npm_packages express@5 express-session@1 || return 1
    cp "$stacks/express/app.mjs" "$packages/express/" || return 1
    command=(node "$packages/express/app.mjs") variables=(--env 'PORT={port}')
    line=(--login 'POST /login {"name":"u{{ session }}"}' --act 'POST /basket/add' --check 'GET /basket' --value /basket/items
      --identity '/name=u{{ session }}')
    ;;
  koa)
    # The newest of each that runs on Node.js 18, which Debian 12 has: @koa/router 14 needs 20.
    once npm_packages koa@3 koa-session@7 koa-bodyparser@4 @koa/router@13 || return 1
    cp "$stacks/koa/app.mjs" "$packages/koa/" || return 1
    command=(node "$packages/koa/app.mjs" '{port}')
    line=(--login 'POST /session {"username":"u{{ session }}"}' --act 'POST /click' --check 'GET /profile' --value /clicks
      --identity '/user=u{{ session }}')
    ;;
  hapi)
    once npm_packages @hapi/hapi@21 @hapi/yar@11 || return 1
    cp "$stacks/hapi/app.mjs" "$packages/hapi/" || return 1
    command=(node "$packages/hapi/app.mjs") variables=(--env 'PORT={port}')
    line=(--login 'POST /login {"name":"u{{ session }}"}' --act 'POST /apples' --check 'GET /apples' --value /apples
      --identity '/name=u{{ session }}')
    ;;
  fastapi)
    once pip_packages 'fastapi<1' 'uvicorn<1' || return 1
    command=("$packages/fastapi/venv/bin/uvicorn" --app-dir "$stacks/fastapi" main:app --port '{port}') variables=(--env 'DATA={data}')
    line=(--login 'POST /login {"username":"u{{ session }}","password":"secret"}' --act 'POST /notes' --check 'GET /notes'
      --value /notes/count --identity '/owner=u{{ session }}')
    ;;
  tornado)
    once pip_packages 'tornado==6.*' || return 1
    command=("$packages/tornado/venv/bin/python" "$stacks/tornado/app.py" '{port}')
    # Its login answers with a redirect: the guide says that a line is not enough.
    ;;
  aiohttp)
    once pip_packages 'aiohttp==3.*' 'aiohttp-session==2.*' cryptography || return 1
    command=("$packages/aiohttp/venv/bin/python" "$stacks/aiohttp/app.py" '{port}')
    line=(--login 'POST /login name=u{{ session }}' --act 'POST /drink' --check 'GET /me' --value 'regex:drank (\d+) cups'
      --identity 'regex:^(\w+) drank=u{{ session }}')
    edit='s/^# identity = .*/identity = { at = "regex:^([a-z0-9]+) drank", name = "u{{ session }}" }/'
    ;;
  falcon)
    once pip_packages 'falcon==4.*' 'waitress==3.*' || return 1
    command=("$packages/falcon/venv/bin/python" "$stacks/falcon/app.py" '{port}' '{data}')
    # Its sessions are tokens: the guide says that a line is not enough.
    ;;
  bottle)
    once pip_packages 'bottle==0.13.*' 'waitress==3.*' || return 1
    command=("$packages/bottle/venv/bin/python" "$stacks/bottle/app.py" '{port}' '{data}')
    line=(--login 'POST /login user=u{{ session }}' --act 'POST /like' --check 'GET /me' --value 'regex:this (\d+) times'
      --identity 'regex:<b>(\w+)</b>=u{{ session }}')
    ;;
  go)
    local go=go root='' version
    if ! command -v go >/dev/null; then
      # golang-go itself is links alone: the compiler of this Debian is in the package with its version.
      version=$(apt-cache depends golang-go | sed -n 's/.*Depends: golang-\([0-9.]*\)-go$/\1/p') && [ -n "$version" ] || return 1
      once debian_packages "golang-$version-go" "golang-$version-src" || return 1
      root=$packages/go/usr/lib/go-$version go=$packages/go/usr/lib/go-$version/bin/go
    fi
    mkdir -p "$packages/go"
    env ${root:+"GOROOT=$root"} GO111MODULE=off CGO_ENABLED=0 "GOCACHE=$packages/go/cache" \
      "$go" build -o "$packages/go/server" "$stacks/go/main.go" || return 1
    command=("$packages/go/server" -addr '127.0.0.1:{port}' -data '{data}')
    line=(--login 'POST /api/login {"user":"u{{ session }}"}' --act 'POST /api/count' --check 'GET /api/me' --value /count
      --identity '/user=u{{ session }}')
    ;;
  java)
    mkdir -p "$packages/java" && javac -d "$packages/java" "$stacks/java/Server.java" || return 1
    command=(java -cp "$packages/java" Server) variables=(--env 'SERVER_PORT={port}')
    line=(--login 'POST /login name=u{{ session }}' --act 'POST /play' --check 'GET /score' --value /points
      --identity '/name=u{{ session }}')
    ;;
  mojolicious)
    once debian_packages libmojolicious-perl libjs-bootstrap4 libjs-highlight.js libjs-jquery || return 1
    command=(perl "$stacks/mojolicious/app.pl" daemon -l 'http://127.0.0.1:{port}')
    variables=(--env "PERL5LIB=$packages/mojolicious/usr/share/perl5")
    # Its forms carry CSRF tokens: there is no line for it, the guide says to record. What curl sent says neither how its pages hide the token,
    # nor where they show the votes.
    edit='s/name="csrf_token" value=/name="csrf_token" type="hidden" value=/
      s/^# value = .*/value = "regex:Your votes: ([0-9]+)"/
      s/^# identity = .*/identity = { at = "regex:Signed in as ([a-z0-9]+)", name = "u{{ session }}" }/'
    ;;
  rack)
    command=(rackup --host 127.0.0.1 --port '{port}' "$stacks/rack/config.ru")
    line=(--login 'POST /login user=u{{ session }}' --act 'POST /stars' --check 'GET /stars' --value /stars
      --identity '/user=u{{ session }}')
    ;;
  esac
}

# The verdict of a run, by its exit code.
verdict_of() {
  case $1 in
  0) echo pass ;;
  1) echo fail ;;
  3) echo inconclusive ;;
  *) echo "none (exit code $1)" ;;
  esac
}

# The rate that an inconclusive run advises; fails if it advises none.
advised_rate() {
  sed -n 's/.*try --rate \([0-9]*\).*/\1/p' "$1" | head -1 | grep .
}
by_file() {
  local code=0 rate
  run_file() {
    code=0
    "$COMEBACK" run "$stack.toml" --quiet --out "by-file-$edits" >>file.txt 2>&1 || code=$?
  }
  "$COMEBACK" init "$stack.toml" --from-curl "$stacks/$stack/requests.sh" "${variables[@]}" --from-command "${command[@]}" \
    >file.txt 2>&1 || code=$?
  # With 1 the file is there, and the server does not answer as it says.
  if [ ! -e "$stack.toml" ] || { [ "$code" = 1 ] && [ -z "$edit" ]; }; then
    verdict="none (init ended with exit code $code)"
    return
  fi
  # What `init` could not infer, and says so: the user fills it in.
  if [ -n "$edit" ]; then
    cp "$stack.toml" written.toml
    sed -i "$edit" "$stack.toml"
    cmp --silent written.toml "$stack.toml" || edits=1
  fi
  run_file
  if [ "$code" = 3 ] && rate=$(advised_rate file.txt); then
    sed -i "s/^rate = \"auto\"/rate = $rate/" "$stack.toml"
    edits=$((edits + 1))
    run_file
  fi
  verdict=$(verdict_of "$code")
}
by_line() {
  local code=0 rate
  run_line() {
    code=0
    "$COMEBACK" run --trials 2 "${line[@]}" "${variables[@]}" "$@" --quiet --out "by-line-$edits" -- "${command[@]}" \
      >line.txt 2>&1 || code=$?
  }
  run_line
  if [ "$code" = 3 ] && rate=$(advised_rate line.txt); then
    edits=1
    run_line --rate "$rate"
  fi
  verdict=$(verdict_of "$code")
}

# Plays the user on a stack that is prepared. Fails if a way does not end as it should.
play() {
  local way began seconds status=0
  for way in ${WAYS:-file line}; do
    [ "$way" = file ] || [ ${#line[@]} -gt 0 ] || continue
    edits=0 began=$(date +%s)
    "by_$way"
    seconds=$(($(date +%s) - began))
    printf '%-12s %-5s %8s %6s  %s\n' "$stack" "$way" "$seconds" "$edits" "$verdict"
    case $verdict in
    pass | fail) sed -n '/^verdict/,/^seed/p' "$way.txt" | sed '$d; s/^/    /' ;;
    *) status=1 && sed 's/^/    /' "$way.txt" ;;
    esac
    if [ "$seconds" -gt 180 ] || [ "$edits" -gt 1 ]; then status=1; fi
  done
  return "$status"
}

failed=0 conclusive=0 ran=' '
printf '%-12s %-5s %8s %6s  %s\n' stack way seconds edits verdict
for stack in "$@"; do
  missing=$(missing_for "$stack")
  if [ -n "$missing" ]; then
    printf '%-12s skipped: this machine has no %s\n' "$stack" "$missing"
    continue
  fi
  mkdir -p "$work/$stack"
  prepare >"$work/$stack/prepare.txt" 2>&1 || {
    printf '%-12s could not be installed:\n' "$stack"
    tail -20 "$work/$stack/prepare.txt" | sed 's/^/    /'
    failed=1
    continue
  }
  ran+="$stack "
  cd "$work/$stack"
  if play; then conclusive=$((conclusive + 1)); else failed=1; fi
  cd "$root"
done
echo "$conclusive of $# stacks with a conclusive verdict"
for stack in "${needed[@]}"; do
  if [[ $ran != *" $stack "* ]]; then
    echo "$stack did not run, and has to"
    failed=1
  fi
done
exit "$failed"
