#!/usr/bin/env bash
# Installs a Bitcoin node for the regtest tests into a directory of its own, from Debian packages, without
# touching the system's packages or its libc. Does nothing where the node is there already.
# usage: install-regtest-node.sh [DEST]
# needs: a Debian system on amd64 with apt-get, dpkg-deb and debian-archive-keyring; no root.
set -euo pipefail
dest=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/cofferdam/regtest-node}
# A newer suite than the system's has the node; the mirror is the one the system already uses.
suite=trixie
architecture=amd64
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
packages=("bitcoin-knots/$suite-backports" libc6 libgcc-s1 libstdc++6 libevent-core-2.1-7t64
  libevent-extra-2.1-7t64 libevent-pthreads-2.1-7t64 libsqlite3-0 libzmq5 libsodium23 libpgm-5.3-0t64
  libnorm1t64 libbsd0 libmd0 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2
  libkeyutils1)

fail() { echo "install-regtest-node: $*" >&2; exit 1; }

if [ -x "$dest/bin/bitcoind" ] && "$dest/bin/bitcoind" --version >/dev/null 2>&1; then
  echo "$dest: $("$dest/bin/bitcoind" --version | head -1)"
  exit 0
fi
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || fail "$tool not found: this script needs a Debian system; with any other," \
    "point COFFERDAM_REGTEST_NODE at a directory that has bin/bitcoind, version 28 or later"
done
[ "$(dpkg --print-architecture)" = $architecture ] || fail "only $architecture is supported"
[ -r $keyring ] || fail "$keyring is missing: install debian-archive-keyring"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/etc/apt/{apt.conf.d,preferences.d,trusted.gpg.d} "$work"/var/lib/apt/lists/partial \
  "$work"/var/cache/apt/archives/partial "$work"/var/lib/dpkg "$work"/debs
: > "$work/var/lib/dpkg/status"
# shellcheck disable=SC2016 # the parentheses are for apt-get
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages' |
  grep -v security | head -1)}
[ -n "$mirror" ] || fail "no Debian mirror is configured in apt: set DEBIAN_MIRROR to the address of one"
printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" "$keyring" "$mirror" "$suite-backports" \
  > "$work/etc/apt/sources.list"

apt_apart() {
  apt-get -q -o Dir="$work" -o Dir::State::status="$work/var/lib/dpkg/status" -o Dir::Etc::Parts=/dev/null \
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o APT::Architecture=$architecture -o APT::Sandbox::User="$(id -un)" "$@"
}
apt_apart update
(cd "$work/debs" && apt_apart download "${packages[@]}")

# Unpacked beside the destination and moved at the end: a half-made installation is never taken for a whole one.
mkdir -p "$(dirname "$dest")"
made=$(mktemp -d "$dest.XXXXXX")
trap 'rm -rf "$work" "$made"' EXIT
for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$made/root"; done
mkdir "$made/bin"
for program in bitcoind bitcoin-cli; do
  # The packages' own loader and libraries: those of the system may be older.
  cat > "$made/bin/$program" <<WRAPPER
#!/bin/sh
root=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/root
libraries=\$root/usr/lib/x86_64-linux-gnu
exec "\$libraries/ld-linux-x86-64.so.2" --argv0 $program --library-path "\$libraries" "\$root/usr/bin/$program" "\$@"
WRAPPER
  chmod 755 "$made/bin/$program"
done
chmod 755 "$made"
"$made/bin/bitcoind" --version | head -1
[ ! -e "$dest" ] || fail "$dest exists but has no working bin/bitcoind: move it away"
mv "$made" "$dest"
echo "installed in $dest; for the tests: export COFFERDAM_REGTEST_NODE=$dest"
