#!/usr/bin/env bash
# The steps of the action beside this file, one for each word: source, install, run, comment. What comes from
# outside arrives in variables, is never pasted into a script, and is never expanded.
set -euo pipefail

sources=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
installed=${RUNNER_TEMP:?}/comeback-program
# What `uname -sm` says where the program of a release runs.
released_for='Linux x86_64'

output() {
  printf '%s=%s\n' "$1" "$2" >>"${GITHUB_OUTPUT:?}"
}

# Where the program comes from: a release, or else what it is built from.
source_of_program() {
  local own release=${COMEBACK_VERSION:-}
  own=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$sources/Cargo.toml" | head -n 1)
  if [[ -n $release && $release != source ]]; then
    release=${release#v}
    if [[ ! $release =~ ^[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.-]*$ ]]; then
      echo "::error title=comeback::'version' is not one such as $own, nor 'source'"
      exit 2
    fi
    if [[ $(uname -sm) != "$released_for" ]]; then
      echo "::error title=comeback::releases are for $released_for: use 'version: source' here"
      exit 2
    fi
  elif [[ -z $release && ${COMEBACK_ACTION_REF:-} == "v$own" && $(uname -sm) == "$released_for" ]]; then
    release=$own
  else
    if [[ -n ${COMEBACK_SHA256:-} ]]; then
      echo "::error title=comeback::'sha256' is that of a release, and none is used here: name it by 'version'"
      exit 2
    fi
    release=
    fingerprint
  fi
  output release "$release"
}

# What the program is made of, and with: a cached one of anything else must not be used.
fingerprint() {
  local sum
  sum=$(
    cd "$sources"
    {
      rustc --version
      find Cargo.toml Cargo.lock harness reports targets -type f -not -path '*/gallery/*' -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum
    } | sha256sum
  )
  output fingerprint "${sum%% *}"
}

# Puts a release's program where a built one would be. Fails if the release cannot be had, and ends the step if it is not
# what its sum says.
download() {
  local name=comeback-$1-x86_64-unknown-linux-musl
  local address=$COMEBACK_REPOSITORY/releases/download/v$1/$name.tar.gz
  local folder
  folder=$(mktemp -d "$RUNNER_TEMP/comeback-release-XXXXXX")
  local archive=$folder/$name.tar.gz
  local -a fetch=(curl --fail --location --silent --show-error --retry 3 --output)
  "${fetch[@]}" "$archive" "$address" || return 1
  local sum=${COMEBACK_SHA256:-}
  if [[ -z $sum ]]; then
    "${fetch[@]}" "$archive.sha256" "$address.sha256" || return 1
    sum=$(cut -d ' ' -f 1 "$archive.sha256")
  fi
  if ! sha256sum --check --strict <<<"$sum  $archive"; then
    echo "::error title=comeback::the SHA-256 sum of $address is not $sum"
    exit 1
  fi
  mkdir -p "$installed/bin"
  tar --extract --gzip --file "$archive" --directory "$installed/bin" --strip-components 1 \
    "$name/comeback" || return 1
  rm -r "$folder"
}

install() {
  local program=${COMEBACK_BINARY:-}
  if [[ -z $program ]]; then
    program=$installed/bin/comeback
    if [[ -n ${COMEBACK_RELEASE:-} ]] && ! download "$COMEBACK_RELEASE"; then
      if [[ -n ${COMEBACK_VERSION:-}${COMEBACK_SHA256:-} ]]; then
        echo "::error title=comeback::there is no release $COMEBACK_RELEASE at $COMEBACK_REPOSITORY"
        exit 1
      fi
      echo "::warning title=comeback::the release $COMEBACK_RELEASE cannot be downloaded: building it instead"
    fi
    if [[ ! -x $program ]]; then
      # Optimized: the load generator shares the machine with what it measures.
      cargo install --locked --path "$sources/harness/cli" --root "$installed"
    fi
  fi
  # Absolute, since the next step may run elsewhere.
  program=$(realpath "$program")
  "$program" --version
  output program "$program"
}

run() {
  # Until there is a verdict; of an output's values the last one counts.
  output verdict error
  local -a words=()
  if [[ -n ${COMEBACK_EXPERIMENT:-} ]]; then
    words=(run "$COMEBACK_EXPERIMENT")
  fi
  if [[ -n ${COMEBACK_ARGS//[[:space:]]/} ]]; then
    # xargs splits at spaces outside quotes, and expands nothing.
    local listed
    listed=$(mktemp)
    if ! printf '%s' "$COMEBACK_ARGS" | xargs printf '%s\0' >"$listed"; then
      rm "$listed"
      echo "::error title=comeback::'args' cannot be read as words: is a quote not closed?"
      exit 2
    fi
    local -a more
    mapfile -d '' -t more <"$listed"
    rm "$listed"
    words+=("${more[@]}")
  fi
  if ((${#words[@]} == 0)); then
    echo "::error title=comeback::the action needs 'experiment' or 'args'"
    exit 2
  fi
  local results
  results=$(mktemp -d "$RUNNER_TEMP/comeback-results-XXXXXX")
  # Before the run: what it leaves is kept, however it ends.
  output results "$results"
  output run-folder "$results/run"
  output junit "$results/junit.xml"
  local code=0 page=$results/summary.md
  # Behind the command's name, so that they stand before a `--` of the server's. Its part of the summary page is kept, for the comment.
  GITHUB_STEP_SUMMARY=$page "${COMEBACK_PROGRAM:?}" "${words[0]}" --out "$results/run" --junit "$results/junit.xml" \
    "${words[@]:1}" || code=$?
  if [[ -f $page && -n ${GITHUB_STEP_SUMMARY:-} ]]; then
    cat "$page" >>"$GITHUB_STEP_SUMMARY"
  fi
  case $code in
    0)
      # Both are 0: where nothing was demanded, nothing passed.
      if grep -q 'name="verdict" value="measured"' "$results/junit.xml"; then
        output verdict measured
      else
        output verdict pass
      fi
      ;;
    1) output verdict fail ;;
    3) output verdict inconclusive ;;
    *) ;;
  esac
  if ((code == 3)) && [[ ${COMEBACK_FAIL_ON_INCONCLUSIVE:-true} == false ]]; then
    echo "::notice title=comeback::inconclusive, and let pass as the workflow asks"
    code=0
  fi
  exit "$code"
}

# GitHub refuses a comment of more than 65,536 characters; a character may be several bytes, never less than one.
longest_comment=60000

# What the earlier run and this one differ in, as Markdown; nothing where there is no earlier run.
difference() {
  local before=${COMEBACK_BEFORE:-} after=$COMEBACK_RESULTS/run code=0
  if [[ -z $before && -d $after/baseline ]]; then
    before=$after/baseline
  fi
  if [[ -z $before ]]; then
    return
  fi
  printf '\n### Before and after\n\n'
  # What it has against the folders is a warning here, not an error of the job. Its verdict is an exit code, too.
  env -u GITHUB_ACTIONS "${COMEBACK_PROGRAM:?}" diff "$before" "$after" --markdown || code=$?
  case $code in
    0 | 1 | 3) ;;
    *)
      echo "The runs cannot be compared: the step's log says why."
      echo "::warning title=comeback::the comment has no comparison: \`comeback diff\` ended with $code" >&2
      ;;
  esac
}

# Writes the comment, or writes it anew. It never changes what the step before it came to: a token of a fork may not comment.
comment() {
  if [[ -z ${COMEBACK_PULL_REQUEST:-} ]]; then
    echo "::notice title=comeback::'comment' is asked for, and this workflow run belongs to no pull request: there is none"
    return
  fi
  # A comment of an earlier push must not stand for this one.
  if [[ ! -s $COMEBACK_RESULTS/summary.md ]]; then
    printf '## ⚠️ comeback: no verdict\n\nThe run came to none. The log of its step says why.\n' >"$COMEBACK_RESULTS/summary.md"
  fi
  # Of several uses in one workflow each has its own artifact, and its own comment.
  local marker="<!-- comeback: ${COMEBACK_ARTIFACT//[^A-Za-z0-9._-]/-} -->"
  local body=$COMEBACK_RESULTS/comment.md
  {
    printf '%s\n' "$marker"
    cat "$COMEBACK_RESULTS/summary.md"
    difference
    printf '\nCommit %s.\n' "${COMEBACK_COMMIT:-unknown}"
  } >"$body"
  if (($(wc -c <"$body") > longest_comment)); then
    # Whole lines, so that no character is cut; the last block of code is closed.
    head -c "$longest_comment" "$body" | sed '$d' >"$body.cut"
    if (($(grep -c '^```' "$body.cut") % 2)); then
      printf '```\n' >>"$body.cut"
    fi
    printf '\nThe rest is in the artifact: GitHub limits the length of comments.\n' >>"$body.cut"
    mv "$body.cut" "$body"
  fi
  local comments=repos/$GH_REPO/issues/$COMEBACK_PULL_REQUEST/comments id first found=
  # Those of programs alone: anybody may write a comment that begins so.
  local listed='.[] | select(.user.type == "Bot") | [.id, (.body | split("\n")[0] | rtrimstr("\r"))] | @tsv'
  if ! listed=$(gh api --paginate "$comments?per_page=100" --jq "$listed"); then
    echo "::warning title=comeback::the pull request's comments cannot be read: give the job the permission 'pull-requests: write'"
    return
  fi
  while IFS=$'\t' read -r id first; do
    if [[ $first == "$marker" ]]; then
      found=$id
      break
    fi
  done <<<"$listed"
  local -a request=(--method POST "$comments")
  if [[ -n $found ]]; then
    request=(--method PATCH "repos/$GH_REPO/issues/comments/$found")
  fi
  if ! gh api "${request[@]}" --field "body=@$body" --silent; then
    echo "::warning title=comeback::the comment cannot be written: give the job the permission 'pull-requests: write' (a pull request from a fork cannot have it)"
  fi
}

case ${1:-} in
  source) source_of_program ;;
  install | run | comment) "$1" ;;
  *)
    echo "usage: run.sh source|install|run|comment" >&2
    exit 2
    ;;
esac
