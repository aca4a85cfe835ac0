//! Claims about whole files of the operator.

mod properties;

use crate::*;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Every key there is, each set to something else than its default.
const FULL: &str = r#"state_dir = "state"
grants_file = "/etc/grants"
[modules]
enabled = false
modules_dir = "/opt/modules"
data_dir = "/var/modules"
enabled_modules = ["my-module"]
restart = "never"
lightning = "my-lightning"
[modules.module_configs.my-module]
setting1 = "value1"
interval = 5
ratio = 1.5
fast = true
[modules.grants]
my-module = ["read_blockchain"]
nothing = []
[modules.publish_events]
my-module = ["PaymentSettled"]
[modules.refuse_calls]
my-module = ["flock"]
[modules.limits.my-module]
memory_bytes = 268435456
cpu_percent = 50
tasks = 64
descriptors = 256
calls_per_second = 10
storage_bytes = 11
storage_keys = 12
disk_bytes = 1048576
disk_files = 15
file_bytes = 13
file_count = 14
[signatures]
unsigned = ["my-module"]
[signatures.trusted_keys]
alice = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
[node]
backend = "bitcoind"
redact_peers = true
[node.embedded]
block_interval_ms = 0
[node.bitcoind]
rpc = "127.0.0.1:18443"
cookie_file = "node/.cookie"
zmq = "tcp://[::1]:28332"
chain = "regtest"
poll_interval_ms = 250
[interface]
enabled = true
listen = "192.0.2.1:8080"
allow_remote = true
token_file = "token"
[sandbox]
allow_missing = ["cgroup", "landlock_scope"]
uid_base = 2000000000
cgroup_root = "/sys/fs/cgroup/x"
[shutdown]
grace_ms = 100
"#;

fn parsed(text: &str) -> Config {
    Config::parse("c.toml", text).unwrap_or_else(|error| panic!("{error}"))
}

fn message(text: &str) -> String {
    Config::parse("c.toml", text).expect_err("the config is wrong").to_string()
}

/// The message for a `[node.bitcoind]` with these lines.
fn bitcoind_message(lines: &str) -> String {
    message(&format!("node.backend = 'bitcoind'\n[node.bitcoind]\nchain = 'main'\n{lines}"))
}

#[test]
fn the_empty_file_is_the_default() {
    assert_eq!(parsed(""), Config::default());
}

#[test]
fn the_reference_is_the_default_written_out() {
    assert_eq!(parsed(REFERENCE), Config::default());
}

#[test]
fn the_reference_has_every_key_and_every_key_in_it_exists() {
    let keys = |text: &str| -> Vec<String> {
        let assignments = text.lines().filter_map(|line| line.trim_start_matches("# ").split_once(" = "));
        let keys = assignments.map(|(key, _)| key.to_owned()).filter(|key| !key.contains(' '));
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys
    };
    let of_one_node = ["rpc_user", "rpc_password_file"].map(str::to_owned);
    let of_one_module = ["interval", "ratio", "fast", "nothing"].map(str::to_owned);
    let expected = keys(FULL).into_iter().chain(of_one_node).filter(|key| !of_one_module.contains(key));
    let mut expected: Vec<String> = expected.collect();
    expected.sort();
    assert_eq!(keys(REFERENCE), expected);
}

#[test]
fn an_interface_for_other_hosts_needs_to_be_allowed_by_name() {
    let text = "[interface]\nlisten = \"192.0.2.1:8080\"\n";
    assert!(message(text).contains("c.toml:2:10"), "{}", message(text));
    assert!(message(text).contains("interface.allow_remote = true"), "{}", message(text));
    assert!(Config::parse("c.toml", &format!("{text}allow_remote = true\n")).is_ok());
    assert!(Config::parse("c.toml", "[interface]\nlisten = \"[::1]:8080\"\n").is_ok());
}

#[test]
fn an_interface_may_have_the_kernel_choose_its_port_and_must_name_its_address() {
    let listening = |address: &str| format!("[interface]\nlisten = \"{address}\"\nallow_remote = true\n");
    let config = Config::parse("c.toml", &listening("127.0.0.1:0")).unwrap();
    assert_eq!(config.interface.listen.to_string(), "127.0.0.1:0");
    assert!(message(&listening("0.0.0.0:0")).contains("not an address one can connect to"));
}

#[test]
fn what_is_refused_is_named_like_a_system_call_and_once() {
    let listed = |names: &str| format!("[modules.refuse_calls]\na = [{names}]\n");
    let config = parsed(&listed("\"flock\", \"pread64\""));
    let refused = config.modules.refuse_calls.values().next().unwrap();
    assert!(refused.contains("flock") && refused.contains("pread64"));
    for wrong in ["\"\"", "\"flock \"", "\"FLOCK\"", "\"a\\nb\""] {
        assert!(message(&listed(wrong)).contains("modules.refuse_calls.a"), "{}", message(&listed(wrong)));
    }
    assert!(message(&listed("\"flock\", \"flock\"")).contains("listed twice"));
}

#[test]
fn trusted_keys_are_checked_where_they_stand() {
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let table = "[signatures.trusted_keys]\n";
    let config = parsed(&format!("{table}\"Alice of Example\" = \"{key}\"\n"));
    assert_eq!(config.signatures.trusted_keys[0].name(), "Alice of Example");
    assert_eq!(config.signatures.trusted_keys[0].text(), key);
    for (lines, error) in [
        (format!("alice = \"{}\"\n", &key[1..]), "c.toml:2:9: `signatures.trusted_keys.alice`: "),
        (format!("a = \"{key}\"\nb = \"{key}\"\n"), "the key is listed under another name too"),
        (format!("\"a\\u001b[2J\" = \"{key}\"\n"), "does not print"),
    ] {
        let message = message(&format!("{table}{lines}"));
        assert!(message.contains(error), "{message}");
    }
    assert!(message("[signatures]\nunsigned = [\"a\", \"a\"]\n").contains("`a` is listed twice"));
}

#[test]
fn the_lock_file_lies_where_nothing_that_is_confined_can_write() {
    for place in ["data/modules/m/grants.lock", "modules/grants.lock", "data/cofferdam/core/grants.lock"] {
        let message = message(&format!("grants_file = \"{place}\"\n"));
        assert!(message.starts_with("c.toml:1:15: `grants_file`"), "{message}");
    }
    for place in ["grants.lock", "data/grants.lock", "data/cofferdam/grants.lock"] {
        assert_eq!(parsed(&format!("grants_file = \"{place}\"\n")).grants_file, PathBuf::from(place));
    }
}

#[test]
fn every_section_may_be_empty() {
    assert_eq!(parsed("[modules]\n[node]\n[node.embedded]\n[sandbox]\n[shutdown]"), Config::default());
}

#[test]
fn the_section_of_the_specification_is_read() {
    let text = "[modules]\nenabled = true\nmodules_dir = \"modules\"\ndata_dir = \"data/modules\"\n\
        enabled_modules = []\n[modules.module_configs.my-module]\nsetting1 = \"value1\"";
    let config = parsed(text);
    let (key, value) = config.modules.module_configs["my-module"].first_key_value().expect("one setting");
    assert_eq!((key.environment_name().as_str(), value.as_str()), ("MODULE_CONFIG_SETTING1", "value1"));
}

#[test]
fn every_key_is_read() {
    let config = parsed(FULL);
    assert_eq!(config.state_dir, PathBuf::from("state"));
    assert_eq!(config.grants_file, PathBuf::from("/etc/grants"));
    assert_eq!(config.signatures.trusted_keys.iter().map(|key| key.name()).collect::<Vec<_>>(), ["alice"]);
    assert_eq!(config.signatures.unsigned.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["my-module"]);
    let modules = &config.modules;
    assert!(!modules.enabled);
    assert_eq!(modules.modules_dir, PathBuf::from("/opt/modules"));
    assert_eq!(modules.data_dir, PathBuf::from("/var/modules"));
    assert_eq!(modules.enabled_modules.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["my-module"]);
    assert_eq!(modules.restart, Restart::Never);
    let settings = &modules.module_configs["my-module"];
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(settings, [("fast", "true"), ("interval", "5"), ("ratio", "1.5"), ("setting1", "value1")]);
    assert_eq!(modules.grants["my-module"].len(), 1);
    assert!(modules.grants["nothing"].is_empty());
    assert_eq!(
        modules.limits["my-module"],
        LimitOverrides {
            memory_bytes: Some(268_435_456),
            cpu_percent: Some(50),
            tasks: Some(64),
            descriptors: Some(256),
            calls_per_second: Some(10),
            storage_bytes: Some(11),
            storage_keys: Some(12),
            disk_bytes: Some(1_048_576),
            disk_files: Some(15),
            file_bytes: Some(13),
            file_count: Some(14),
        }
    );
    let published: Vec<_> = modules.publish_events["my-module"].iter().map(ToString::to_string).collect();
    assert_eq!(published, ["PaymentSettled"]);
    assert_eq!(modules.lightning.as_ref().map(AsRef::as_ref), Some("my-lightning"));
    assert!(config.redact_peers);
    assert_eq!(
        config.interface,
        Interface {
            enabled: true,
            listen: "192.0.2.1:8080".parse().expect("an address"),
            token_file: Some(PathBuf::from("token")),
        }
    );
    assert_eq!(
        config.node,
        Backend::Bitcoind(Bitcoind {
            rpc: "127.0.0.1:18443".parse().expect("an address"),
            auth: RpcAuth::Cookie(PathBuf::from("node/.cookie")),
            zmq: Some("[::1]:28332".parse().expect("an address")),
            chain: Chain::Regtest,
            poll_interval: Duration::from_millis(250),
        })
    );
    assert!(config.sandbox.allow_missing.iter().eq(&[Layer::Cgroup, Layer::LandlockScope]));
    assert_eq!(config.sandbox.uid_base, 2_000_000_000);
    assert_eq!(config.sandbox.cgroup_root, CgroupRoot::Path(PathBuf::from("/sys/fs/cgroup/x")));
    assert_eq!(config.shutdown.grace, Duration::from_millis(100));
}

#[test]
fn a_block_interval_of_zero_is_on_demand() {
    let config = parsed("[node.embedded]\nblock_interval_ms = 0");
    assert_eq!(config.node, Backend::Embedded(Embedded { block_interval: None }));
}

#[test]
fn an_unknown_key_gets_the_key_that_was_meant() {
    assert_eq!(message("[modlues]"), "c.toml:1:2: unknown key `modlues`; did you mean `modules`?");
    assert_eq!(
        message("[shutdown]\ngrace = 5"),
        "c.toml:2:1: unknown key `shutdown.grace`; did you mean `grace_ms`?"
    );
    assert_eq!(
        message("[modules.limits.a]\nmemory = 5"),
        "c.toml:2:1: unknown key `modules.limits.a.memory`; did you mean `memory_bytes`?"
    );
}

#[test]
fn an_unknown_value_gets_the_value_that_was_meant() {
    assert_eq!(
        message("modules.restart = 'on_failure'"),
        "c.toml:1:19: `modules.restart`: unknown value `on_failure`; did you mean `on-failure`?"
    );
    assert_eq!(
        message("sandbox.allow_missing = ['landlok']"),
        "c.toml:1:26: `sandbox.allow_missing`: `landlok` is not a layer that may be missing; \
         did you mean `landlock`?"
    );
    assert_eq!(
        message("[modules.grants]\nm = ['read_blockchian']"),
        "c.toml:2:6: `modules.grants.m`: `read_blockchian` is not a capability; did you mean `read_blockchain`?"
    );
}

#[test]
fn seccomp_cannot_be_allowed_to_be_missing() {
    assert!(message("sandbox.allow_missing = ['seccomp']").contains("not a layer that may be missing"));
}

#[test]
fn every_layer_is_found_by_its_name() {
    for layer in Layer::ALL {
        assert_eq!(layer.as_str().parse(), Ok(*layer));
    }
}

#[test]
fn a_number_out_of_range_is_told_the_range_at_its_place() {
    let wrong = [
        ("shutdown.grace_ms = 600001", "use 0 to 600000"),
        ("modules.limits.m.cpu_percent = 0", "use 1 to 6400"),
        ("modules.limits.m.cpu_percent = 6401", "use 1 to 6400"),
        ("modules.limits.m.memory_bytes = 4194303", "use 4194304 to 17592186044416"),
        ("modules.limits.m.tasks = 0", "use 1 to 32768"),
        ("modules.limits.m.descriptors = 15", "use 16 to 1048576"),
        ("sandbox.uid_base = 65535", "use 65536 to 2080374784"),
        ("sandbox.uid_base = 2080374785", "use 65536 to 2080374784"),
        ("node.embedded.block_interval_ms = 3600001", "use 0 to 3600000"),
    ];
    for (line, fix) in wrong {
        let message = message(&format!("# first\n{line}"));
        let column = line.find("= ").expect("an assignment") + 3;
        assert!(message.starts_with(&format!("c.toml:2:{column}: ")) && message.ends_with(fix), "{message}");
    }
    let poll = bitcoind_message("rpc = '127.0.0.1:1'\ncookie_file = 'c'\npoll_interval_ms = 99");
    assert!(poll.contains("c.toml:6:") && poll.ends_with("use 100 to 3600000"), "{poll}");
}

#[test]
fn a_negative_number_is_refused_in_words() {
    assert_eq!(
        message("shutdown.grace_ms = -1"),
        "c.toml:1:21: `shutdown.grace_ms`: expected a whole number, 0 or more, found integer `-1`"
    );
}

#[test]
fn the_rpc_address_is_a_literal_because_the_core_cannot_resolve() {
    assert_eq!(
        bitcoind_message("rpc = 'localhost:8332'\ncookie_file = 'c'"),
        "c.toml:4:7: `node.bitcoind.rpc`: `localhost:8332` is not an IP address and a port; the confined core \
         cannot resolve names; write it like 127.0.0.1:8332"
    );
    for rpc in ["127.0.0.1", "0.0.0.0:8332", "127.0.0.1:0", "http://127.0.0.1:8332", ""] {
        let message = bitcoind_message(&format!("rpc = '{rpc}'\ncookie_file = 'c'"));
        assert!(message.starts_with("c.toml:4:7: `node.bitcoind.rpc`: "), "{message}");
    }
}

#[test]
fn zmq_over_a_socket_file_is_refused_with_the_reason() {
    assert_eq!(
        bitcoind_message("rpc = '127.0.0.1:1'\ncookie_file = 'c'\nzmq = 'ipc:///tmp/z'"),
        "c.toml:6:7: `node.bitcoind.zmq`: `ipc:///tmp/z` is a socket file, and the confined core has no access \
         to the node's directory; write it like tcp://127.0.0.1:28332, or remove it to poll"
    );
}

#[test]
fn a_node_needs_exactly_one_way_to_authenticate() {
    let wrong = [
        ("", "nothing says how"),
        ("cookie_file = 'c'\nrpc_user = 'u'", "cookie_file is set as well"),
        ("cookie_file = 'c'\nrpc_password_file = 'p'", "cookie_file is set as well"),
        ("rpc_user = 'u'", "rpc_password_file is missing"),
        ("rpc_password_file = 'p'", "rpc_user is missing"),
        ("rpc_user = 'a:b'\nrpc_password_file = 'p'", "cannot be the name of a user"),
    ];
    for (lines, problem) in wrong {
        let message = bitcoind_message(&format!("rpc = '127.0.0.1:1'\n{lines}"));
        assert!(message.contains(problem), "{message}");
    }
}

#[test]
fn a_user_with_a_password_file_is_read() {
    let text = "node.backend = 'bitcoind'\nnode.bitcoind = { rpc = '127.0.0.1:1', chain = 'main', \
        rpc_user = 'u', rpc_password_file = 'p' }";
    let Backend::Bitcoind(bitcoind) = parsed(text).node else { panic!("not the backend that was chosen") };
    assert_eq!(bitcoind.auth, RpcAuth::Password { user: "u".to_owned(), password_file: PathBuf::from("p") });
    assert_eq!((bitcoind.zmq, bitcoind.poll_interval), (None, Duration::from_secs(1)));
}

#[test]
fn a_node_that_is_described_and_not_chosen_is_an_error() {
    let text = "[node.bitcoind]\nrpc = '127.0.0.1:1'\nchain = 'main'\ncookie_file = 'c'";
    assert!(message(text).contains("add `backend = \"bitcoind\"`"), "{}", message(text));
    let chosen = format!("node.backend = 'embedded'\n{text}");
    assert_eq!(parsed(&chosen).node, Backend::default());
}

#[test]
fn a_node_that_is_chosen_and_not_described_is_an_error() {
    assert_eq!(
        message("[node]\nbackend = 'bitcoind'"),
        "c.toml:2:11: `node.backend`: the table [node.bitcoind] is missing; add it with rpc, chain and cookie_file"
    );
}

#[test]
fn a_setting_must_fit_into_an_environment_variable() {
    let wrong = [
        ("a = \"x\\u0000y\"".to_owned(), "NUL"),
        (format!("a = '{}'", "x".repeat(4097)), "4097 bytes"),
        ("a = [1]".to_owned(), "expected a string, a number, true or false"),
        ("'a-b' = 1".to_owned(), "cannot be the key of a setting"),
        ("a = 1\nA = 2".to_owned(), "MODULE_CONFIG_A too"),
    ];
    for (line, problem) in wrong {
        let message = message(&format!("[modules.module_configs.m]\n{line}"));
        assert!(message.contains(problem) && message.contains("`modules.module_configs.m"), "{message}");
    }
}

#[test]
fn a_module_is_named_everywhere_by_a_module_name() {
    for line in [
        "enabled_modules = ['../x']",
        "grants.'../x' = []",
        "limits.'../x' = {}",
        "module_configs.'../x' = {}",
    ] {
        let message = message(&format!("[modules]\n{line}"));
        assert!(message.contains("`../x` is not a module's name"), "{message}");
    }
}

#[test]
fn a_name_listed_twice_is_an_error() {
    for line in [
        "modules.enabled_modules = ['a', 'a']",
        "sandbox.allow_missing = ['cgroup', 'cgroup']",
        "modules.grants.a = ['read_utxo', 'read_utxo']",
    ] {
        assert!(message(line).contains("is listed twice"), "{line}");
    }
}

#[test]
fn a_program_and_what_can_be_written_are_apart() {
    let overlapping = [
        "modules.data_dir = 'modules'",
        "modules.data_dir = 'modules/data'",
        "modules.modules_dir = 'data/modules/x'",
        "modules.modules_dir = './data/../data/modules'",
        "state_dir = 'modules/state'",
        "modules.modules_dir = 'data/cofferdam/modules'",
        "state_dir = 'data/modules/core'",
        "state_dir = 'data/modules'",
    ];
    for line in overlapping {
        let message = message(line);
        assert!(message.contains(" lies in ") || message.contains(" is the same as "), "{message}");
    }
}

#[test]
fn the_data_directory_may_lie_in_the_state_directory() {
    parsed("state_dir = '/var/lib/cofferdam'\nmodules.data_dir = '/var/lib/cofferdam/modules'");
}

#[test]
fn relative_paths_are_relative_to_the_config() {
    let text = FULL.replace("\"/var/modules\"", "\"var\"");
    let config = parsed(&text).resolve_paths(Path::new("/etc/cofferdam")).expect("apart");
    assert_eq!(config.state_dir, PathBuf::from("/etc/cofferdam/state"));
    assert_eq!(config.modules.modules_dir, PathBuf::from("/opt/modules"));
    assert_eq!(config.modules.data_dir, PathBuf::from("/etc/cofferdam/var"));
    let Backend::Bitcoind(bitcoind) = config.node else { panic!("not the backend that was chosen") };
    assert_eq!(bitcoind.auth, RpcAuth::Cookie(PathBuf::from("/etc/cofferdam/node/.cookie")));
}

#[test]
fn an_overlap_that_only_the_base_shows_is_found() {
    let config = parsed("modules.data_dir = '/srv/modules'");
    let error = config.resolve_paths(Path::new("/srv")).expect_err("the same directory");
    assert_eq!((error.key, error.other_key), ("modules.modules_dir", "modules.data_dir"));
}

#[test]
fn a_cgroup_root_is_absolute() {
    for root in ["cofferdam", "/sys/fs/cgroup/../..", ""] {
        let message = message(&format!("sandbox.cgroup_root = '{root}'"));
        assert!(message.starts_with("c.toml:1:23: `sandbox.cgroup_root`: "), "{message}");
    }
}
