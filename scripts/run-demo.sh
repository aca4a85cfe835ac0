#!/usr/bin/env bash
# Builds Cofferdam and runs its example modules, one of them hostile, on a development chain that makes a block every
# three seconds, with JSON-RPC and metrics on a port of 127.0.0.1. Everything it writes lies below target/demo.
# usage: run-demo.sh [--seconds N]    N: stop after so many seconds instead of at Ctrl-C
# needs: Linux on x86_64, Rust, a C compiler; root or user namespaces. It says what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/prerequisites.sh
. scripts/prerequisites.sh

seconds=
case $# in
  0) ;;
  2)
    if [ "$1" != --seconds ] || ! [[ $2 =~ ^[1-9][0-9]*$ ]]; then fail "usage: run-demo.sh [--seconds N]"; fi
    seconds=$2
    ;;
  *) fail "usage: run-demo.sh [--seconds N]" ;;
esac

check_build_tools
check_machine
echo "building (the first time takes some minutes) ..."
cargo build --release --workspace --bins --locked
programs=$(programs_of release)
demo=$(dirname "$(dirname "$programs")")/demo
if [ -e "$demo" ] && [ ! -O "$demo" ]; then
  fail "$demo belongs to another user: remove it (sudo rm -r $demo)"
fi

# Staged afresh: what runs is what was built. State and data of an earlier run are kept.
rm -rf "$demo/modules"
mkdir -p "$demo/modules"
unsigned=
for manifest in modules/*/module.toml; do
  name=$(basename "$(dirname "$manifest")")
  mkdir "$demo/modules/$name"
  cp "$manifest" "$programs/$name" "$demo/modules/$name/"
  unsigned="$unsigned\"$name\", "
done
secret=$demo/operators-secret
(umask 077 && echo "only the operator may read this" > "$secret")

# The first port on which nobody answers.
port=8350
while (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
  port=$((port + 1))
  [ $port -lt 8450 ] || fail "no port from 8350 to 8449 is free for the demo's interface"
done

# $1: the layers that may be missing, as TOML.
write_config() {
  cat > "$demo/cofferdam.toml" <<CONFIG
# Written by scripts/run-demo.sh. \`cofferdam config\` prints every key with its meaning.
state_dir = "state"

# Built here, and signed by nobody.
[signatures]
unsigned = [$unsigned]

[modules]
modules_dir = "modules"
data_dir = "data"
lightning = "invoice-desk"

# The hostile module is told what to go for.
[modules.module_configs.escape-artist]
operator_file = "$secret"

# What every block of the development chain pays to.
[modules.module_configs.output-watch]
addresses = "51"
start_height = "1"
describer = "invoice-desk"

[modules.module_configs.fee-watch]
refresh_seconds = "5"

[interface]
enabled = true
listen = "127.0.0.1:$port"

[node]
backend = "embedded"

[node.embedded]
block_interval_ms = 3000

[sandbox]
allow_missing = [$1]
CONFIG
}

write_config ""
cofferdam=$programs/cofferdam
# What was just built is what is granted. With modules of others: look at what it shows, and leave out --yes.
"$cofferdam" grant --yes --config "$demo/cofferdam.toml" > "$demo/granted.txt" || {
  cat "$demo/granted.txt"
  fail "the modules of the demo cannot be granted"
}
report=$("$cofferdam" check --config "$demo/cofferdam.toml") || {
  missing=$(sed -n 's/^  MISSING  \([^:]*\):.*/\1/p' <<< "$report")
  allowed=
  echo
  for layer in $missing; do
    case $layer in
      # Few file systems are mounted with quotas, and two modules of the demo write files.
      disk_quota)
        echo "NOTE: $demo lies on a file system without project quotas, or you are not root, so nothing limits what"
        echo "block-watch and escape-artist may fill. This demo allows that: allow_missing = [\"disk_quota\"]." ;;
      # Only a user has no cgroup tree of its own.
      cgroup)
        if [ "$(id -u)" = 0 ]; then break; fi
        echo "NOTE: you are not root and have no delegated cgroup tree, so memory, processor time and tasks of the"
        echo "modules cannot be limited. This demo allows that: allow_missing = [\"cgroup\"]. For this layer run it"
        echo "as root, or: systemd-run --user --scope -p Delegate=yes $PWD/scripts/run-demo.sh" ;;
      *) break ;;
    esac
    allowed="$allowed\"$layer\", "
  done
  echo
  write_config "$allowed"
  report=$("$cofferdam" check --config "$demo/cofferdam.toml") || {
    echo "$report"
    fail "this machine or the installation lacks what is marked MISSING above"
  }
}
echo "$report"
echo
echo "escape-artist tries to get out and says what it met; the others do their work."
echo "All that one can do: $cofferdam audit tip-log --config $demo/cofferdam.toml"
echo "Call the modules, and read their metrics, from another terminal:"
cat <<CALLS
  curl --user "\$(cat $demo/state/interface.cookie)" --data '{"id":1,"method":"output_watch_balance","params":["51"]}' http://127.0.0.1:$port/
  curl --user "\$(cat $demo/state/interface.cookie)" http://127.0.0.1:$port/metrics
CALLS
echo "Stop with Ctrl-C."
echo
run=("$cofferdam" run --config "$demo/cofferdam.toml")
if [ -n "$seconds" ]; then
  # The launcher's own status; one that does not stop is killed, and its children with it.
  exec timeout --foreground --preserve-status --signal=INT --kill-after=30 "$seconds" "${run[@]}"
fi
exec "${run[@]}"
