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
packages=("bitcoin-knots/$suite-backports" libc6 libgcc-s1 libstdc++6 libevent-core-2.1-7t64
  libevent-extra-2.1-7t64 libevent-pthreads-2.1-7t64 libsqlite3-0 libzmq5 libsodium23 libpgm-5.3-0t64
  libnorm1t64 libbsd0 libmd0 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2
  libkeyutils1)

fail() { echo "install-regtest-node: $*" >&2; exit 1; }
# shellcheck source=scripts/apt-apart.sh
. "$(dirname "$0")/apt-apart.sh"

if [ -x "$dest/bin/bitcoind" ] && "$dest/bin/bitcoind" --version >/dev/null 2>&1; then
  echo "$dest: $("$dest/bin/bitcoind" --version | head -1)"
  exit 0
fi
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || fail "$tool not found: this script needs a Debian system; with any other," \
    "point COFFERDAM_REGTEST_NODE at a directory that has bin/bitcoind, version 28 or later"
done
[ "$(dpkg --print-architecture)" = $architecture ] || fail "only $architecture is supported"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
apt_apart "$work/apt" "$suite" "$suite-backports"
apt_fetch "$work/debs" "${packages[@]}"

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
