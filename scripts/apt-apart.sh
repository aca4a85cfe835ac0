#!/usr/bin/env bash
# An apt of its own directory, for scripts that fetch Debian packages without installing them. Sourced; the script that
# sources it has `fail`. The mirror is the one that apt is configured with; apt verifies what it fetches, by lists and
# keys in that directory: the system's sources, lists and packages stay as they are.
# needs: a Debian system with apt-get, dpkg-deb and debian-archive-keyring; no root.

apt_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# usage: apt_apart [--ended] DIRECTORY SUITE...
# Makes the directory an apt of these suites of one mirror, and reads their lists. Sets apt_options.
# --ended: a suite that gets no more updates is taken too; it keeps its last list, whose date has passed.
apt_apart() {
  local work tool configured mirror suite current=()
  if [ "$1" = --ended ]; then
    current=(-o Acquire::Check-Valid-Until=false)
    shift
  fi
  work=$1
  shift
  for tool in apt-get dpkg-deb; do
    command -v $tool >/dev/null || fail "$tool not found: this script needs a Debian system"
  done
  [ -r $apt_keyring ] || fail "$apt_keyring is missing: apt-get install debian-archive-keyring"
  mkdir -p "$work"/etc/apt/{apt.conf.d,preferences.d,trusted.gpg.d} "$work"/var/lib/apt/lists/partial \
    "$work"/var/cache/apt/archives/partial "$work"/var/lib/dpkg
  : > "$work/var/lib/dpkg/status"
  # shellcheck disable=SC2016 # the parentheses are for apt-get
  configured=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages')
  case $1 in
    *-security) mirror=${DEBIAN_SECURITY_MIRROR:-$(grep -m 1 security <<< "$configured" || true)} ;;
    *) mirror=${DEBIAN_MIRROR:-$(grep -m 1 -v security <<< "$configured" || true)} ;;
  esac
  [ -n "$mirror" ] || fail "no mirror of $1 is configured in apt: set DEBIAN_MIRROR, or DEBIAN_SECURITY_MIRROR for a" \
    "security suite, to the address of one"
  for suite in "$@"; do
    echo "deb [signed-by=$apt_keyring] $mirror $suite main"
  done > "$work/etc/apt/sources.list"
  apt_options=(-q -o Dir="$work" -o Dir::State::status="$work/var/lib/dpkg/status" -o Dir::Etc::Parts=/dev/null
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    -o APT::Architecture=amd64 -o APT::Sandbox::User="$(id -un)")
  apt-get "${apt_options[@]}" "${current[@]}" -o APT::Update::Error-Mode=any update >/dev/null ||
    fail "the package lists of $* cannot be had from the mirror that apt is configured with"
}

# Fetches packages into directory $1, which it makes.
apt_fetch() {
  local into=$1
  shift
  mkdir -p "$into"
  (cd "$into" && apt-get "${apt_options[@]}" download "$@" >/dev/null) || fail "cannot be fetched: $*"
}
