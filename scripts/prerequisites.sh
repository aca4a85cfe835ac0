#!/usr/bin/env bash
# What building and running Cofferdam needs. Sourced by the other scripts; run alone, it checks and says what
# is missing. It changes nothing.
set -euo pipefail

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# Whether version $1 is at least version $2.
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# Rust, a C compiler and a libc to link statically: modules run from memory and their sandbox holds no library.
check_build_tools() {
  local tool wanted found
  for tool in cargo rustc; do
    command -v $tool >/dev/null ||
      fail "$tool not found: install Rust with rustup (Debian: apt-get install rustup; rustup default stable)"
  done
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  found=$(rustc --version | cut -d ' ' -f 2)
  at_least "$found" "$wanted" || fail "rustc is $found, $wanted or newer is needed: rustup update"
  command -v cc >/dev/null || fail "no C compiler (cc) to link with: on Debian, apt-get install gcc libc6-dev"
  echo 'int main(void) { return 0; }' | cc -static -x c -o /dev/null - 2>/dev/null ||
    fail "cc cannot link a static program, the libc's headers or libc.a are missing: on Debian, apt-get install libc6-dev"
}

# What no config waives; `cofferdam check` looks at the rest, once it is built.
check_machine() {
  [ "$(uname -s) $(uname -m)" = "Linux x86_64" ] ||
    fail "this is $(uname -s) on $(uname -m): Cofferdam needs Linux on x86_64"
  at_least "$(uname -r)" 5.9 || fail "the kernel is $(uname -r): boot Linux 5.9 or newer (6.12 for all layers)"
  [ -d /proc/self ] || fail "/proc is not mounted: mount -t proc proc /proc"
  [ "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null || echo 0)" != 0 ] ||
    fail "user namespaces are switched off: sysctl user.max_user_namespaces=10000"
  [ "$(id -u)" = 0 ] && return
  [ "$(cat /proc/sys/kernel/unprivileged_userns_clone 2>/dev/null || echo 1)" != 0 ] ||
    fail "user namespaces are for root only here: sysctl kernel.unprivileged_userns_clone=1, or run as root"
  [ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null || echo 0)" = 0 ] ||
    fail "AppArmor keeps user namespaces from ordinary users:" \
      "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root"
}

# Where cargo puts the programs of profile $1 (debug or release). The build names its target: see .cargo/config.toml.
programs_of() {
  local host target
  host=$(rustc -vV | sed -n 's/^host: //p')
  target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
  if [ -z "$host" ] || [ -z "$target" ]; then fail "cargo does not say where it builds"; fi
  echo "$target/$host/$1"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  cd "$(dirname "$0")/.."
  check_build_tools
  check_machine
  echo "all there"
fi
