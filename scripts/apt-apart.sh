#!/usr/bin/env bash
# An apt of its own directory, for scripts that fetch Debian packages without installing them. Sourced; the script that
# sources it has `fail`. The mirror is the one that apt is configured with; apt verifies what it fetches, by lists and
# keys in that directory: the system's sources, lists and packages stay as they are.
# needs: a Debian system with apt-get, dpkg-deb and debian-archive-keyring; no root.

apt_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Makes the directory $1 an apt of suite $2, and reads the suite's lists. Sets apt_options.
apt_apart() {
  local work=$1 suite=$2 tool mirror
  for tool in apt-get dpkg-deb; do
    command -v $tool >/dev/null || fail "$tool not found: this script needs a Debian system"
  done
  [ -r $apt_keyring ] || fail "$apt_keyring is missing: apt-get install debian-archive-keyring"
  mkdir -p "$work"/etc/apt/{apt.conf.d,preferences.d,trusted.gpg.d} "$work"/var/lib/apt/lists/partial \
    "$work"/var/cache/apt/archives/partial "$work"/var/lib/dpkg
  : > "$work/var/lib/dpkg/status"
  # shellcheck disable=SC2016 # the parentheses are for apt-get
  mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages' |
    grep -m 1 -v security || true)}
  [ -n "$mirror" ] || fail "no Debian mirror is configured in apt: set DEBIAN_MIRROR to the address of one"
  echo "deb [signed-by=$apt_keyring] $mirror $suite main" > "$work/etc/apt/sources.list"
  apt_options=(-q -o Dir="$work" -o Dir::State::status="$work/var/lib/dpkg/status" -o Dir::Etc::Parts=/dev/null
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    -o APT::Architecture=amd64 -o APT::Sandbox::User="$(id -un)")
  # A suite that gets no more updates keeps its last list, whose date has passed.
  apt-get "${apt_options[@]}" -o Acquire::Check-Valid-Until=false -o APT::Update::Error-Mode=any update >/dev/null ||
    fail "the package lists of $suite cannot be had from the mirror that apt is configured with"
}

# Fetches packages into directory $1, which it makes.
apt_fetch() {
  local into=$1
  shift
  mkdir -p "$into"
  (cd "$into" && apt-get "${apt_options[@]}" download "$@" >/dev/null) || fail "cannot be fetched: $*"
}
