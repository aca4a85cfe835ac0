use super::*;
use cofferdam_manifest::Manifest;
use cofferdam_policy::profile::{Access, Errno, Limits, Linkage, Verdict as Decision};
use cofferdam_policy::{Decisions, Tables, derive};

/// The page of a module that may write files.
fn page() -> Profile {
    page_of("\"write_filesystem\"", &Decisions::default())
}

fn page_of(capabilities: &str, decisions: &Decisions) -> Profile {
    let text =
        format!("name = \"m\"\nversion = \"1.0.0\"\nentry_point = \"m\"\ncapabilities = [{capabilities}]\n");
    let manifest = Manifest::parse("module.toml", &text).unwrap();
    derive(&manifest, decisions, Linkage::Static, &Tables::builtin())
}

/// What a launcher finds that enforces exactly this profile.
fn honest(profile: &Profile) -> Facts {
    let mut facts = Facts::default();
    let nothing = "ffffffffffffffff";
    let invalid = [nothing; 6].join(" ");
    for number in 0..=syscalls::Sysno::last().id() {
        let found = match profile.syscalls.decide(u32::try_from(number).unwrap(), &[u64::MAX; 6]) {
            Decision::Allow => "kernel -22".to_owned(),
            Decision::Quiet(errno) => format!("kernel -{}", raw(errno)),
            Decision::Refuse(errno) => format!("refused -{}", raw(errno)),
            Decision::Kill => "killed".to_owned(),
        };
        facts = facts.with(&format!("call {number} {invalid}"), Ok(&found));
    }
    facts = facts.with("call by the 32-bit entry", Ok("killed"));
    for (number, kind) in [(0, "pipe"), (1, "pipe"), (2, "pipe"), (3, "socket")] {
        facts = facts.with(&format!("descriptor {number}"), Ok(kind));
    }
    for rule in &profile.rlimits {
        let name = ["open files", "core file size", "file size", "locked memory", "msgqueue size"];
        let more = ["pending signals", "nice priority", "realtime priority", "processes"];
        let _every = rule;
        for name in name.into_iter().chain(more) {
            facts = facts.with(&format!("limit Max {name}"), Ok("0 0"));
        }
    }
    for namespace in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        facts = facts.with(&format!("namespace {namespace}"), Ok("own"));
    }
    let limits = &profile.limits;
    facts = facts
        .with("cgroup memory_bytes", Ok(&limits.memory_bytes.value.to_string()))
        .with("cgroup cpu_percent", Ok(&limits.cpu_percent.value.to_string()))
        .with("cgroup cpu_weight", Ok(&limits.cpu_weight.value.to_string()))
        .with("cgroup tasks", Ok(&limits.tasks.value.to_string()));
    let none = "0000000000000000";
    for (name, value) in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("Uid", "7 7 7 7"), ("Gid", "7 7 7 7")] {
        facts = facts.with(&format!("status {name}"), Ok(value));
    }
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd"] {
        facts = facts.with(&format!("status {name}"), Ok(none));
    }
    if let Some(disk) = &limits.disk {
        facts = facts
            .with("disk bytes", Ok(&disk.bytes.value.to_string()))
            .with("disk files", Ok(&disk.files.value.to_string()));
    }
    let (mount, path) = match profile.data.access {
        Access::ReadWrite => ("rw,nosuid,nodev,noexec", "write"),
        Access::Read | Access::ReadExecute => ("ro,nosuid,nodev,noexec", "read"),
    };
    facts
        .with("mount /", Ok("ro,nosuid,nodev,noexec,relatime"))
        .with("mount /data", Ok(mount))
        .with("path /", Ok("read"))
        .with("path /data", Ok(path))
        .with("interface lo", Ok("there"))
}

fn raw(errno: Errno) -> i32 {
    match errno {
        Errno::Perm => 1,
        Errno::Access => 13,
        Errno::NoSys => 38,
        Errno::FamilyNotSupported => 97,
    }
}

/// What differs when one fact is another.
fn differing(name: &str, found: Result<&str, &str>) -> Vec<String> {
    let page = page();
    let verdict = judge(&page, &honest(&page).with(name, found));
    verdict.differences.into_iter().map(|difference| difference.what).collect()
}

fn call(number: i32) -> String {
    format!("call {number} {}", ["ffffffffffffffff"; 6].join(" "))
}

#[test]
fn a_sandbox_that_is_what_its_page_says_has_no_difference() {
    let page = page();
    assert_eq!(judge(&page, &honest(&page)).differences, []);
}

#[test]
fn a_limit_of_the_cgroup_that_is_not_the_pages_is_found() {
    for name in ["cgroup memory_bytes", "cgroup cpu_percent", "cgroup cpu_weight", "cgroup tasks"] {
        assert_eq!(differing(name, Ok("7")), [name]);
    }
}

#[test]
fn a_page_that_claims_a_call_is_refused_which_is_not_is_found() {
    let enforced = page();
    let mut claimed = enforced.clone();
    claimed.syscalls.rules.remove(&83).expect("mkdir has a rule");
    let verdict = judge(&claimed, &honest(&enforced));
    assert_eq!(verdict.differences.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(), ["mkdir"]);
}

#[test]
fn a_call_that_the_kernel_performs_although_the_page_refuses_it_is_found() {
    assert_eq!(differing(&call(165), Ok("kernel -14")), ["mount"]);
}

#[test]
fn a_call_that_is_refused_although_the_page_allows_it_is_found() {
    assert_eq!(differing(&call(0), Ok("refused -38")), ["read"]);
}

#[test]
fn a_call_that_fails_by_itself_where_the_page_says_that_the_policy_refuses_it_is_found() {
    assert_eq!(differing(&call(165), Ok("kernel -38")), ["mount"]);
}

#[test]
fn a_call_that_fails_quietly_on_the_page_and_is_performed_or_logged_is_found() {
    for found in ["kernel -22", "refused -38"] {
        assert_eq!(differing(&call(435), Ok(found)), ["clone3"], "{found}");
    }
}

#[test]
fn the_two_calls_that_no_filter_sees_are_told_and_only_where_they_do_nothing() {
    let page = page();
    let facts = honest(&page)
        .with(&call(335), Err("the probe ended: Signaled { signal: 4 }"))
        .with(&call(336), Ok("kernel -6"));
    let verdict = judge(&page, &facts);
    assert_eq!(
        (verdict.differences, verdict.exempt),
        (vec![], vec!["uretprobe".to_owned(), "uprobe".to_owned()])
    );
    assert_eq!(differing(&call(335), Ok("kernel 0")), ["uretprobe"]);
    assert_eq!(differing(&call(336), Ok("kernel 0")), ["uprobe"]);
}

#[test]
fn a_call_that_should_kill_and_does_not_is_found() {
    assert_eq!(differing("call by the 32-bit entry", Ok("kernel 1")), ["call by the 32-bit entry"]);
    let x32 = call(0x4000_0027);
    assert_eq!(differing(&x32, Ok("refused -38")), ["getpid by the x32 entry"]);
    assert_eq!(differing(&x32, Ok("killed")), Vec::<String>::new());
}

#[test]
fn a_limit_of_tasks_that_is_not_there_is_found_unless_it_is_left_to_the_cgroup() {
    let page = page();
    for (said, differing) in [("set", vec!["limit Max processes"]), ("left to the cgroup", vec![])] {
        let facts = honest(&page).with("limit Max processes", Ok("unlimited unlimited"));
        let differences = judge(&page, &facts.with("task limit", Ok(said))).differences;
        assert_eq!(differences.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(), differing, "{said}");
    }
}

#[test]
fn a_call_that_nobody_tried_is_a_difference() {
    let page = page();
    let without = judge(&page, &Facts::default());
    assert!(without.differences.len() > 400, "{}", without.differences.len());
}

#[test]
fn whatever_is_there_and_not_on_the_page_is_found() {
    for (name, found) in [
        ("descriptor 4", "socket"),
        ("mount /proc", "rw"),
        ("path /etc", "read"),
        ("interface eth0", "there"),
    ] {
        assert_eq!(differing(name, Ok(found)), [name]);
    }
}

#[test]
fn whatever_is_other_than_on_the_page_is_found() {
    for (name, found) in [
        ("descriptor 3", "pipe"),
        ("mount /data", "rw,nosuid,nodev"),
        ("mount /", "rw,nosuid,nodev,noexec"),
        ("path /", "write"),
        ("path /data", "write execute"),
        ("disk bytes", "0"),
        ("disk files", "10001"),
        ("namespace net", "the launcher's"),
        ("limit Max open files", "99999999 99999999"),
        ("limit Max open files", "unlimited unlimited"),
        ("status CapEff", "0000000000000001"),
        ("status Uid", "1000 0 1000 1000"),
        ("status NoNewPrivs", "0"),
    ] {
        assert_eq!(differing(name, Ok(found)), [name], "{found}");
    }
}

#[test]
fn a_module_that_may_write_no_file_and_can_is_found() {
    let page = page_of("", &Decisions::default());
    let differing = |name: &str, found: &str| {
        let verdict = judge(&page, &honest(&page).with(name, Ok(found)));
        verdict.differences.into_iter().map(|difference| difference.what).collect::<Vec<_>>()
    };
    assert_eq!(differing("path /data", "read"), Vec::<String>::new(), "the control");
    assert_eq!(differing("path /data", "write"), ["path /data"]);
    assert_eq!(differing("mount /data", "rw,nosuid,nodev,noexec"), ["mount /data"]);
    assert_eq!(differing("disk bytes", "1024"), ["disk bytes"]);
}

#[test]
fn a_quota_that_is_not_there_is_found_unless_the_page_lets_it_be_missing() {
    let without = |decisions: &Decisions| {
        let page = page_of("\"write_filesystem\"", decisions);
        let unlimited = Profile { limits: Limits { disk: None, ..page.limits.clone() }, ..page.clone() };
        let verdict = judge(&page, &honest(&unlimited));
        verdict.differences.into_iter().map(|difference| difference.what).collect::<Vec<_>>()
    };
    assert_eq!(without(&Decisions::default()), ["disk bytes", "disk files"]);
    let weakened_by = vec![Tables::builtin().weakening("disk_quota").unwrap()];
    assert_eq!(without(&Decisions { weakened_by, ..Decisions::default() }), Vec::<String>::new());
}

#[test]
fn what_could_not_be_looked_at_is_a_difference() {
    for name in ["descriptor 0", "mount /data", "status Seccomp", "namespace pid", "limit Max open files"] {
        assert_eq!(differing(name, Err("Permission denied")), [name]);
    }
}
