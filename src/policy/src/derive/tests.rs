use super::*;
use crate::profile::{Descriptor, Verdict};
use cofferdam_manifest::Capability;
use proptest::prelude::*;
use std::sync::LazyLock;

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::builtin);

fn manifest(capabilities: &CapabilitySet) -> Manifest {
    let names: Vec<String> = capabilities.iter().map(|capability| format!("\"{capability}\"")).collect();
    let text = format!(
        "name = \"m\"\nversion = \"1.0.0\"\nentry_point = \"m\"\ncapabilities = [{}]",
        names.join(", ")
    );
    Manifest::parse("module.toml", &text).expect("valid")
}

fn set(capabilities: &[Capability]) -> CapabilitySet {
    capabilities.iter().copied().collect()
}

fn module(decisions: &Decisions, linkage: Linkage) -> Profile {
    let declared = set(&[Capability::ReadUtxo, Capability::ReadMempool]);
    derive(&manifest(&declared), decisions, linkage, &TABLES)
}

#[test]
fn a_module_gets_what_it_declares_unless_the_operator_says_otherwise() {
    let profile = module(&Decisions::default(), Linkage::Static);
    assert_eq!(profile.granted, set(&[Capability::ReadUtxo, Capability::ReadMempool]));
    assert!(profile.withheld.is_empty());
}

#[test]
fn granting_what_was_not_declared_grants_nothing() {
    let grants = Grants::Only(set(&[Capability::ReadUtxo, Capability::SendTransactions]));
    let profile = module(&Decisions { grants, ..Decisions::default() }, Linkage::Static);
    assert_eq!(profile.granted, set(&[Capability::ReadUtxo]));
    assert_eq!(profile.withheld, set(&[Capability::ReadMempool]));
}

#[test]
fn a_module_has_every_namespace_and_no_network() {
    let profile = module(&Decisions::default(), Linkage::Static);
    let namespaces: Vec<Namespace> = profile.namespaces.iter().map(|rule| rule.namespace).collect();
    assert_eq!(namespaces, Namespace::ALL);
    assert!(matches!(profile.network, Network::None { .. }));
}

#[test]
fn only_a_dynamic_program_has_library_directories() {
    assert!(module(&Decisions::default(), Linkage::Static).libraries.is_empty());
    let libraries = module(&Decisions::default(), Linkage::Dynamic).libraries;
    let inside: Vec<&str> = libraries.iter().map(|rule| rule.inside.as_str()).collect();
    assert_eq!(inside, ["/lib", "/lib64", "/usr/lib"]);
}

#[test]
fn a_module_starts_with_four_descriptors_and_the_arguments_of_the_specification() {
    let profile = module(&Decisions::default(), Linkage::Static);
    let descriptors: Vec<(u8, Descriptor)> =
        profile.descriptors.iter().map(|rule| (rule.number, rule.what)).collect();
    assert_eq!(
        descriptors,
        [(0, Descriptor::Null), (1, Descriptor::Log), (2, Descriptor::Log), (3, Descriptor::Ipc)]
    );
    assert_eq!(profile.arguments, ["--module-id", "m", "--socket-path", "fd:3", "--data-dir", "/data"]);
}

#[test]
fn the_environment_holds_the_settings_and_nothing_else() {
    let key = |text: &str| ConfigKey::new(text).expect("valid");
    let settings = BTreeMap::from([
        (key("poll_interval"), "5".to_owned()),
        (key("Poll_Interval"), "6".to_owned()),
        (key("url"), "a=b".to_owned()),
    ]);
    let profile = module(&Decisions { settings, ..Decisions::default() }, Linkage::Static);
    let environment: Vec<(&str, &str)> =
        profile.environment.iter().map(|rule| (rule.name.as_str(), rule.value.as_str())).collect();
    assert_eq!(environment, [("MODULE_CONFIG_POLL_INTERVAL", "6"), ("MODULE_CONFIG_URL", "a=b")]);
    assert!(module(&Decisions::default(), Linkage::Static).environment.is_empty());
}

#[test]
fn the_policys_limits_hold_unless_the_operator_sets_others() {
    let profile = module(&Decisions::default(), Linkage::Static);
    let nofile = |profile: &Profile| {
        profile.rlimits.iter().find(|rule| rule.resource == Resource::Nofile).map(|rule| rule.value)
    };
    assert_eq!(profile.limits.memory_bytes.value, 256 << 20);
    assert_eq!((profile.limits.cpu_percent.value, profile.limits.tasks.value), (50, 64));
    assert_eq!(nofile(&profile), Some(256));
    let overrides = Overrides {
        memory_bytes: Some(1 << 20),
        cpu_percent: Some(10),
        tasks: Some(8),
        descriptors: Some(32),
        calls_per_second: Some(7),
        storage_bytes: Some(11),
        ..Overrides::default()
    };
    let at_core = profile.core_limits.unwrap();
    assert_eq!((at_core.calls_per_second.value, at_core.storage_bytes.value), (5000, 64 << 20));
    let profile = module(&Decisions { overrides, ..Decisions::default() }, Linkage::Static);
    let at_core = profile.core_limits.clone().unwrap();
    assert_eq!((at_core.calls_per_second.value, at_core.call_burst.value), (7, 7));
    assert_eq!((at_core.storage_bytes.value, at_core.storage_keys.value), (11, 500_000));
    assert_eq!(profile.limits.memory_bytes.value, 1 << 20);
    assert_eq!((profile.limits.cpu_percent.value, profile.limits.tasks.value), (10, 8));
    assert_eq!(nofile(&profile), Some(32));
    assert_eq!(profile.limits.tasks.why, SET_BY_OPERATOR);
}

#[test]
fn the_task_limit_is_a_resource_limit_too_for_modules_and_the_core() {
    let nproc = |profile: &Profile| {
        profile.rlimits.iter().find(|rule| rule.resource == Resource::Nproc).map(|rule| rule.value)
    };
    let overrides = Overrides { tasks: Some(8), ..Overrides::default() };
    assert_eq!(nproc(&module(&Decisions::default(), Linkage::Static)), Some(64));
    assert_eq!(nproc(&module(&Decisions { overrides, ..Decisions::default() }, Linkage::Static)), Some(8));
    assert_eq!(nproc(&derive_core(&CoreNeeds::default(), Linkage::Static, &TABLES)), Some(448));
    let needs = CoreNeeds { overrides, ..CoreNeeds::default() };
    assert_eq!(nproc(&derive_core(&needs, Linkage::Static, &TABLES)), Some(8));
}

#[test]
fn a_core_dump_cannot_be_piped_out() {
    let profile = module(&Decisions::default(), Linkage::Static);
    let core = profile.rlimits.iter().find(|rule| rule.resource == Resource::Core);
    assert_eq!(core.map(|rule| rule.value), Some(1));
}

#[test]
fn a_core_with_a_node_shares_the_network_and_reaches_its_ports_only() {
    let needs = CoreNeeds { connect_ports: BTreeSet::from([28332, 8332]), ..CoreNeeds::default() };
    let profile = derive_core(&needs, Linkage::Static, &TABLES);
    assert!(profile.namespaces.iter().all(|rule| rule.namespace != Namespace::Net));
    let Network::Host { connect_ports, .. } = &profile.network else { panic!("{:?}", profile.network) };
    assert_eq!(connect_ports, &[8332, 28332]);
    assert_eq!(profile.data.inside, crate::profile::STATE_INSIDE);
}

#[test]
fn a_core_without_a_node_has_no_network() {
    let profile = derive_core(&CoreNeeds::default(), Linkage::Static, &TABLES);
    let namespaces: Vec<Namespace> = profile.namespaces.iter().map(|rule| rule.namespace).collect();
    assert_eq!(namespaces, Namespace::ALL);
    assert!(matches!(profile.network, Network::None { .. }));
}

#[test]
fn the_core_may_do_all_with_files_that_a_module_may() {
    let profile = derive_core(&CoreNeeds::default(), Linkage::Static, &TABLES);
    let module = module(&Decisions::default(), Linkage::Static);
    for (number, rules) in &module.syscalls.rules {
        let allowed = rules.clauses.iter().filter(|clause| clause.verdict == Verdict::Allow);
        for clause in allowed {
            assert!(profile.syscalls.rules[number].clauses.contains(clause), "{}", rules.name);
        }
    }
}

fn capabilities() -> impl Strategy<Value = CapabilitySet> {
    prop::collection::vec(prop::sample::select(Capability::ALL), 0..8).prop_map(|list| set(&list))
}

fn linkage() -> impl Strategy<Value = Linkage> {
    prop_oneof![Just(Linkage::Static), Just(Linkage::Dynamic)]
}

/// The profile without what the capabilities change.
/// Those that no capability decides: all but whether it writes in its own directory.
fn walls(profile: &Profile) -> Profile {
    Profile {
        granted: CapabilitySet::new(),
        withheld: CapabilitySet::new(),
        data: TABLES.module.data.clone(),
        limits: Limits { disk: None, ..profile.limits.clone() },
        ..profile.clone()
    }
}

/// It writes if and only if it was granted that, and then within limits.
fn writes_as_granted(profile: &Profile) -> bool {
    let granted = profile.granted.contains(Capability::WriteFilesystem);
    profile.data.access == if granted { Access::ReadWrite } else { Access::Read }
        && profile.limits.disk.is_some() == granted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn more_capabilities_take_nothing_away_and_fewer_add_nothing(
        fewer in capabilities(), extra in capabilities(), granted in prop::option::of(capabilities()),
        linkage in linkage(),
    ) {
        let more: CapabilitySet = fewer.iter().chain(extra.iter()).collect();
        let decisions = Decisions { grants: granted.into(), ..Decisions::default() };
        let small = derive(&manifest(&fewer), &decisions, linkage, &TABLES);
        let large = derive(&manifest(&more), &decisions, linkage, &TABLES);
        prop_assert!(small.granted.is_subset(&large.granted));
        prop_assert_eq!(walls(&small), walls(&large));
        prop_assert!(writes_as_granted(&small) && writes_as_granted(&large));
        prop_assert!(small.granted.is_subset(&fewer) && small.withheld.is_subset(&fewer));
        prop_assert_eq!(small.granted.len() + small.withheld.len(), fewer.len());
    }

    #[test]
    fn a_smaller_grant_never_loosens(
        declared in capabilities(), small in capabilities(), extra in capabilities(),
    ) {
        let large: CapabilitySet = small.iter().chain(extra.iter()).collect();
        let derived = |set| {
            let decisions = Decisions { grants: Grants::Only(set), ..Decisions::default() };
            derive(&manifest(&declared), &decisions, Linkage::Static, &TABLES)
        };
        let (small, large) = (derived(small), derived(large));
        prop_assert!(small.granted.is_subset(&large.granted));
        prop_assert_eq!(walls(&small), walls(&large));
        prop_assert!(writes_as_granted(&small) && writes_as_granted(&large));
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(declared in capabilities(), linkage in linkage()) {
        let bytes = || {
            let profile = derive(&manifest(&declared), &Decisions::default(), linkage, &Tables::builtin());
            serde_json::to_string(&profile).expect("plain data")
        };
        prop_assert_eq!(bytes(), bytes());
    }

    #[test]
    fn a_dynamic_program_may_do_all_that_a_static_one_may(call in 0..470_u32, arguments in any::<[u16; 6]>()) {
        let arguments = arguments.map(u64::from);
        let fixed = module(&Decisions::default(), Linkage::Static).syscalls.decide(call, &arguments);
        let dynamic = module(&Decisions::default(), Linkage::Dynamic).syscalls.decide(call, &arguments);
        prop_assert!(fixed != Verdict::Allow || dynamic == Verdict::Allow);
        prop_assert!(fixed != Verdict::Kill || dynamic == Verdict::Kill);
    }
}

#[test]
fn that_quotas_may_be_missing_weakens_only_who_writes_files() {
    let weakened_by = ["cgroup", "disk_quota"].map(|layer| TABLES.weakening(layer).unwrap()).to_vec();
    let decisions = Decisions { weakened_by: weakened_by.clone(), ..Decisions::default() };
    let layers = |capabilities: CapabilitySet| {
        let profile = derive(&manifest(&capabilities), &decisions, Linkage::Static, &TABLES);
        profile.weakened_by.into_iter().map(|weakening| weakening.layer).collect::<Vec<_>>()
    };
    assert_eq!(layers([Capability::WriteFilesystem].into_iter().collect()), ["cgroup", "disk_quota"]);
    assert_eq!(layers([Capability::ReadFilesystem].into_iter().collect()), ["cgroup"]);
    let core = derive_core(&CoreNeeds { weakened_by, ..CoreNeeds::default() }, Linkage::Static, &TABLES);
    assert_eq!(core.weakened_by.len(), 1);
}

#[test]
fn a_module_publishes_what_it_declares_and_the_operator_allows_and_nothing_without_the_capability() {
    let text = "name = \"m\"\nversion = \"1.0.0\"\nentry_point = \"m\"\n\
        capabilities = [\"publish_events\"]\npublish_events = [\"PaymentSettled\", \"ChannelOpened\"]\n";
    let manifest = Manifest::parse("m", text).unwrap();
    let publishes = |decisions: &Decisions| -> Vec<String> {
        let profile = derive(&manifest, decisions, Linkage::Static, &TABLES);
        profile.publishes.iter().map(ToString::to_string).collect()
    };
    let names = |names: &[&str]| Some(names.iter().map(|name| EventName::new(name).unwrap()).collect());
    assert_eq!(publishes(&Decisions::default()), ["ChannelOpened", "PaymentSettled"]);
    let allowed = names(&["PaymentSettled", "NewBlock"]);
    assert_eq!(publishes(&Decisions { publishes: allowed, ..Decisions::default() }), ["PaymentSettled"]);
    let grants = Grants::Only(CapabilitySet::new());
    assert!(publishes(&Decisions { grants, ..Decisions::default() }).is_empty());
}

#[test]
fn the_core_has_memory_for_every_database() {
    let memory = |databases: &[u64]| {
        let needs = CoreNeeds { databases: databases.to_vec(), ..CoreNeeds::default() };
        derive_core(&needs, Linkage::Static, &TABLES).limits.memory_bytes.value
    };
    assert_eq!(memory(&[]), 1024 << 20);
    assert_eq!(memory(&[64 << 20, 8 << 20]), (1024 + 64 + 8 + 2 * 64) << 20);
    assert_eq!(memory(&[u64::MAX, 1]), u64::MAX);
}
