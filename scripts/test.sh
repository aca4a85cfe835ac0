#!/usr/bin/env bash
# Builds everything and runs all tests: with cargo-nextest where it is installed, else with cargo test.
# usage: test.sh [--without-node]    leaves out, by name, the tests that need a Bitcoin node
# needs: Linux on x86_64, Rust, a C compiler; a regtest node, which it installs on a Debian system
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/prerequisites.sh
. scripts/prerequisites.sh

with_node=yes
case $* in
  "") ;;
  --without-node) with_node=no ;;
  *) fail "usage: test.sh [--without-node]" ;;
esac

check_build_tools
check_machine
command -v curl >/dev/null || fail "no curl, which tests call the interface with: on Debian, apt-get install curl"
command -v patch >/dev/null || fail "no patch, which a test applies proposals with: on Debian, apt-get install patch"
# The test program whose every test needs the node; elsewhere such a test has `regtest` in its name.
node_tests=regtest_node
if [ $with_node = yes ]; then
  export COFFERDAM_REGTEST_NODE=${COFFERDAM_REGTEST_NODE:-${XDG_CACHE_HOME:-$HOME/.cache}/cofferdam/regtest-node}
  scripts/install-regtest-node.sh "$COFFERDAM_REGTEST_NODE" ||
    fail "no regtest node (see above): point COFFERDAM_REGTEST_NODE at a directory with bin/bitcoind," \
      "version 28 or later, or leave its tests out with --without-node"
else
  echo "WITHOUT A NODE: the tests of $node_tests and those with regtest in their name are left out"
fi

# The end-to-end tests start the real programs, those of the modules too.
cargo build --workspace --bins --locked
cargo test --workspace --doc --locked
# The runner's summary is the last thing printed.
if command -v cargo-nextest >/dev/null; then
  filter=()
  [ $with_node = yes ] || filter=(--filterset "not (binary($node_tests) | test(regtest))")
  exec cargo nextest run --workspace --locked --no-fail-fast "${filter[@]}"
fi
skip=()
if [ $with_node = no ]; then
  names=$(cargo test --package cofferdam-node --test $node_tests --locked -- --list | sed -n 's/: test$//p')
  [ -n "$names" ] || fail "$node_tests lists no tests"
  skip=(--skip regtest)
  for name in $names; do skip+=(--skip "$name"); done
fi
exec cargo test --workspace --tests --locked --no-fail-fast -- "${skip[@]}"
