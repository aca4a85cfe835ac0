use super::*;
use std::sync::LazyLock;

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::builtin);

/// A host of an ordinary user's where everything works.
fn whole() -> Facts {
    let facts = Facts::default().with("kernel", Ok("Linux 6.18")).with("setting uid", Ok("1000"));
    TRIED.iter().fold(facts, |facts, (name, ..)| facts.with(name, Ok("tried")))
}

fn stopping(facts: &Facts, allowed: &[Layer]) -> Vec<&'static str> {
    let allowed = allowed.iter().copied().collect();
    judge(facts, &allowed, &TABLES).into_iter().filter(Finding::stops).map(|finding| finding.name).collect()
}

/// What the operator is told to do about one thing that was refused.
fn fix(facts: &Facts, name: &str) -> String {
    let findings = judge(facts, &BTreeSet::new(), &TABLES);
    findings.into_iter().find(|finding| finding.name == name).unwrap().remedy.unwrap()
}

#[test]
fn a_host_that_has_everything_lacks_nothing() {
    assert_eq!(stopping(&whole(), &[]), Vec::<&str>::new());
}

#[test]
fn whatever_was_refused_stops_modules_unless_it_is_advice() {
    for (name, weight, _) in TRIED {
        let stops = stopping(&whole().with(name, Err("EPERM")), &[]);
        assert_eq!(stops.contains(name), !matches!(weight, Advice), "{name}");
    }
}

#[test]
fn a_config_waives_layers_and_nothing_else() {
    for (name, weight, _) in TRIED {
        let stops = stopping(&whole().with(name, Err("EPERM")), Layer::ALL);
        assert_eq!(stops.contains(name), matches!(weight, Needed), "{name}");
    }
}

#[test]
fn a_missing_layer_says_what_it_weakens_and_how_to_accept_that() {
    let findings = judge(&whole().with("cgroup", Err("EROFS")), &BTreeSet::new(), &TABLES);
    let cgroup = findings.iter().find(|finding| finding.name == "cgroup").unwrap();
    assert_eq!(cgroup.verdict, Verdict::Missing);
    let waiver = cgroup.waiver.as_ref().unwrap();
    assert!(waiver.layer == "cgroup" && waiver.weakens.contains("halt the node") && !waiver.allowed);
}

#[test]
fn every_layer_that_a_config_can_waive_is_tried() {
    for layer in Layer::ALL {
        assert!(
            TRIED.iter().any(|(_, weight, _)| matches!(weight, Weight::Layer(tried) if tried == layer)),
            "{layer}"
        );
    }
}

#[test]
fn a_launcher_that_says_nothing_is_not_taken_for_one_that_found_everything() {
    assert!(stopping(&Facts::default(), Layer::ALL).len() > 10);
}

#[test]
fn uids_are_asked_for_of_root_only() {
    assert!(!judge(&whole(), &BTreeSet::new(), &TABLES).iter().any(|finding| finding.name == "uids"));
    let root = whole().with("setting uid", Ok("0"));
    assert_eq!(stopping(&root, &[]), ["uids"]);
}

#[test]
fn the_cause_of_refused_user_namespaces_decides_the_remedy() {
    let refused =
        || whole().with("user_namespaces", Err("unshare(CLONE_NEWUSER): EPERM: Operation not permitted"));
    let with = |name: &str, value: &str| refused().with(&format!("setting {name}"), Ok(value));
    for (name, value, told) in [
        ("user.max_user_namespaces", "0", "sysctl user.max_user_namespaces="),
        ("kernel.unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "/etc/apparmor.d/"),
        ("seccomp", "2", "seccomp=unconfined"),
    ] {
        let fix = fix(&with(name, value), "user_namespaces");
        assert!(fix.contains(told), "{name}: {fix}");
        let harmless = super::tests::fix(&with(name, "9"), "user_namespaces");
        assert!(!harmless.contains(told), "{name} is not the cause: {harmless}");
    }
}

#[test]
fn the_settings_of_ordinary_users_do_not_explain_a_refusal_of_roots() {
    let refused = whole()
        .with("setting uid", Ok("0"))
        .with("user_namespaces", Err("unshare(CLONE_NEWUSER): ENOSYS"))
        .with("setting kernel.unprivileged_userns_clone", Ok("0"));
    assert!(fix(&refused, "user_namespaces").contains("container"));
}

#[test]
fn what_follows_from_missing_user_namespaces_says_so() {
    let refused = whole().with("user_namespaces", Err("EPERM")).with("net_namespace", Err("EPERM"));
    assert!(fix(&refused, "net_namespace").contains("user namespaces first"));
    let alone = whole().with("net_namespace", Err("unshare: ENOSPC: No space left on device"));
    assert_eq!(fix(&alone, "net_namespace"), "sysctl user.max_net_namespaces=10000");
}

#[test]
fn a_read_only_cgroup_and_a_shared_one_have_remedies_of_their_own() {
    for (why, told) in [
        ("cgroup /sys/fs/cgroup/a: create: Read-only file system (os error 30)", "read-only"),
        ("cgroup /a: write \"+memory\": Device or resource busy (os error 16)", "other processes"),
        ("cgroup /a: create: Permission denied (os error 13)", "Delegate=yes"),
    ] {
        let fix = fix(&whole().with("cgroup", Err(why)), "cgroup");
        assert!(fix.contains(told), "{why}: {fix}");
    }
}

#[test]
fn an_initramfs_and_a_sysctl_against_memory_programs_are_named() {
    let initramfs = whole().with("root_file_system", Err("pivot_root (...): EINVAL: Invalid argument"));
    assert!(fix(&initramfs, "root_file_system").contains("switch_root"));
    let sealed = whole().with("memfd_exec", Err("EACCES")).with("setting vm.memfd_noexec", Ok("2"));
    assert!(fix(&sealed, "memfd_exec").contains("sysctl vm.memfd_noexec=1"));
}

#[test]
fn a_loose_setting_of_the_kernel_is_advice_and_stops_nothing() {
    let loose = whole().with("setting kernel.yama.ptrace_scope", Ok("0"));
    assert_eq!(stopping(&loose, &[]), Vec::<&str>::new());
    assert_eq!(fix(&loose, "kernel.yama.ptrace_scope"), "sysctl kernel.yama.ptrace_scope=1");
}

#[test]
fn under_tomoyo_a_launch_that_fails_has_a_remedy_of_its_own() {
    let why =
        "start trial: step execute: ENOENT (TOMOYO, a security module of this kernel, starts no program)";
    assert!(fix(&whole().with("launch", Err(why)), "launch").contains("lsm= list without tomoyo"));
    assert!(
        !fix(&whole().with("launch", Err("start trial: step execute: EACCES")), "launch").contains("tomoyo")
    );
}

#[test]
fn every_remedy_is_for_something() {
    for (name, ..) in TRIED {
        let fix = fix(&whole().with(name, Err("nothing special")), name);
        assert!(!fix.contains("no remedy is known"), "{name} has no remedy of its own");
    }
}
