use super::*;
use crate::profile::{Errno, Verdict};
use proptest::prelude::*;
use syscalls::Sysno;

fn number(name: &str) -> u32 {
    name.parse::<Sysno>().expect("a system call of this architecture").id().unsigned_abs()
}

fn message(sources: &Sources<'_>) -> String {
    Tables::parse(sources).expect_err("broken").to_string()
}

/// What is said of the module's system calls when this is added to them.
fn added(rules: &str) -> String {
    let text = format!("{}\n{rules}", Sources::BUILTIN.calls_dynamic.text);
    let calls_dynamic = Source { file: "added.toml", text: &text };
    message(&Sources { calls_dynamic, ..Sources::BUILTIN })
}

#[test]
fn every_policy_file_parses() {
    if let Err(error) = Tables::parse(&Sources::BUILTIN) {
        panic!("{error}");
    }
}

const NOTHING: CoreReach = CoreReach { node: false, interface: false, files: false };
const NODE: CoreReach = CoreReach { node: true, ..NOTHING };
const EVERYTHING: CoreReach = CoreReach { node: true, interface: true, files: true };

#[test]
fn a_core_has_the_calls_for_what_it_reaches_and_no_others() {
    let tables = Tables::builtin();
    let allows = |reach, name, arguments: [u64; 6]| {
        tables.calls.core(reach, Linkage::Static).decide(number(name), &arguments) == Verdict::Allow
    };
    let connection = [0, 0, 0, 0o2_004_000, 0, 0];
    for (name, arguments, with) in [
        ("accept4", connection, CoreReach { interface: true, ..NOTHING }),
        ("openat2", [0, 0, 0, 24, 0, 0], CoreReach { files: true, ..NOTHING }),
        ("connect", [0; 6], NODE),
    ] {
        assert!(!allows(NOTHING, name, arguments), "{name}");
        assert!(allows(with, name, arguments), "{name}");
        assert!(allows(EVERYTHING, name, arguments), "{name}");
    }
    let nobody_binds = |name| CoreReach::all().all(|reach| !allows(reach, name, [0; 6]));
    assert!(nobody_binds("bind") && nobody_binds("listen") && nobody_binds("accept"));
    assert!(!allows(EVERYTHING, "accept4", [0; 6]), "an accepted socket does not block and closes on exec");
}

#[test]
fn every_rule_has_a_reason_and_names_its_file() {
    let tables = Tables::builtin();
    let policy = tables.calls.core(EVERYTHING, Linkage::Dynamic);
    for clause in policy.rules.values().flat_map(|rules| &rules.clauses) {
        assert!(clause.why.len() > 10, "{}", clause.why);
        assert!(clause.file.starts_with("policies/seccomp/"), "{}", clause.file);
    }
}

#[test]
fn what_is_written_and_what_is_executed_are_never_the_same_directory() {
    use crate::profile::{Access, DATA_INSIDE, STATE_INSIDE};
    let tables = Tables::builtin();
    assert_eq!(tables.module.data.inside, DATA_INSIDE);
    assert_eq!(tables.core.data.inside, STATE_INSIDE);
    for template in [&tables.module, &tables.core] {
        assert_eq!(template.data.access, Access::ReadWrite);
        assert!(template.libraries.iter().all(|rule| rule.access == Access::ReadExecute));
    }
}

/// Every call that was traced in real tokio modules (static and dynamic, glibc and musl, with sled), but
/// for `execve`, `socket` and `connect`, which a module under Cofferdam does not make.
const TRACED: &str = "access arch_prctl brk clone close epoll_create1 epoll_ctl epoll_wait eventfd2 exit exit_group \
    fcntl futex getrandom getsockopt gettid lseek madvise mmap mprotect munmap newfstatat open openat poll prctl \
    pread64 prlimit64 read readlink recvfrom rseq rt_sigaction rt_sigprocmask sched_getaffinity sched_yield \
    set_robust_list set_tid_address sigaltstack socketpair statx write writev flock fsync getdents64 getpid mkdir \
    pwrite64 sync_file_range";

#[test]
#[cfg(target_arch = "x86_64")]
fn every_call_that_real_modules_make_is_allowed_with_some_arguments() {
    let tables = Tables::builtin();
    let policy = tables.calls.module(Linkage::Static);
    for name in TRACED.split_whitespace() {
        let rules = policy.rules.get(&number(name)).unwrap_or_else(|| panic!("{name} has no rule"));
        assert!(rules.clauses.iter().any(|clause| clause.verdict == Verdict::Allow), "{name}");
    }
}

#[test]
fn what_a_module_must_never_do_kills_it_or_fails() {
    let tables = Tables::builtin();
    for linkage in [Linkage::Static, Linkage::Dynamic] {
        let decide = |name: &str, arguments| tables.calls.module(linkage).decide(number(name), &arguments);
        let refused = Verdict::Refuse(Errno::Perm);
        for name in ["ptrace", "mount", "setns", "unshare", "bpf", "kexec_load", "init_module", "userfaultfd"]
        {
            assert_eq!(decide(name, [0; 6]), Verdict::Kill, "{name}");
        }
        for name in
            ["execve", "memfd_create", "sendmsg", "recvmsg", "connect", "kill", "symlinkat", "setsockopt"]
        {
            assert_eq!(decide(name, [0; 6]), refused, "{name}");
        }
        assert_eq!(decide("socket", [1, 1, 0, 0, 0, 0]), Verdict::Refuse(Errno::FamilyNotSupported));
        assert_eq!(decide("clone3", [0; 6]), Verdict::Quiet(Errno::NoSys));
        assert_eq!(decide("io_uring_setup", [0; 6]), Verdict::Quiet(Errno::NoSys));
    }
}

#[test]
fn threads_are_allowed_and_processes_and_namespaces_are_not() {
    let tables = Tables::builtin();
    let clone = |flags| tables.calls.module(Linkage::Static).decide(number("clone"), &[flags, 0, 0, 0, 0, 0]);
    assert_eq!(clone(0x3d_0f00), Verdict::Allow);
    assert_eq!(clone(0x7d_0f00), Verdict::Allow);
    assert_eq!(clone(0x0120_0011), Verdict::Refuse(Errno::Perm));
    assert_eq!(clone(0x3d_0f00 | 0x1000_0000), Verdict::Kill);
    assert_eq!(clone(0x0002_0000), Verdict::Kill);
}

#[test]
fn memory_is_executable_only_from_files_and_only_for_a_loader() {
    let tables = Tables::builtin();
    let mmap = |linkage, prot, flags| {
        tables.calls.module(linkage).decide(number("mmap"), &[0, 4096, prot, flags, u64::MAX, 0])
    };
    let refused = Verdict::Refuse(Errno::Access);
    let (read_write, read_execute, all, private, anonymous) = (3, 5, 7, 0x2, 0x22);
    for linkage in [Linkage::Static, Linkage::Dynamic] {
        assert_eq!(mmap(linkage, read_write, anonymous), Verdict::Allow);
        assert_eq!(mmap(linkage, read_execute, anonymous), refused);
        assert_eq!(mmap(linkage, all, private), refused);
        let mprotect =
            |prot| tables.calls.module(linkage).decide(number("mprotect"), &[0, 4096, prot, 0, 0, 0]);
        assert_eq!(mprotect(read_write), Verdict::Allow);
        assert_eq!(mprotect(read_execute), refused);
    }
    assert_eq!(mmap(Linkage::Static, read_execute, private), refused);
    assert_eq!(mmap(Linkage::Dynamic, read_execute, private), Verdict::Allow);
}

#[test]
fn no_file_gets_a_set_user_id_bit() {
    let tables = Tables::builtin();
    let policy = tables.calls.module(Linkage::Static);
    let refused = Verdict::Refuse(Errno::Perm);
    assert_eq!(policy.decide(number("openat"), &[0, 0, 0o102, 0o666, 0, 0]), Verdict::Allow);
    assert_eq!(policy.decide(number("openat"), &[0, 0, 0o102, 0o4755, 0, 0]), refused);
    assert_eq!(policy.decide(number("fchmod"), &[0, 0o644, 0, 0, 0, 0]), Verdict::Allow);
    assert_eq!(policy.decide(number("fchmod"), &[0, 0o2755, 0, 0, 0, 0]), refused);
}

#[test]
fn no_file_is_opened_to_other_users_for_writing() {
    let tables = Tables::builtin();
    let refused = Verdict::Refuse(Errno::Perm);
    for policy in [tables.calls.module(Linkage::Static), tables.calls.core(NOTHING, Linkage::Static)] {
        for (name, position) in [("fchmod", 1), ("fchmodat", 2)] {
            let with = |mode| {
                let mut arguments = [0; 6];
                arguments[position] = mode;
                policy.decide(number(name), &arguments)
            };
            assert_eq!(with(0o100_644), Verdict::Allow, "{name}");
            assert_eq!(with(0o755), Verdict::Allow, "{name}");
            assert_eq!(with(0o660), Verdict::Allow, "{name}: its group is its own");
            for mode in [0o777, 0o622, 0o602, 0o1777] {
                assert_eq!(with(mode), refused, "{name} {mode:o}");
            }
        }
        // The modes of new files and directories are cut by the launcher's umask, which stays.
        assert_eq!(policy.decide(number("umask"), &[0; 6]), refused);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn no_file_is_opened_to_other_users_for_writing_by_its_path() {
    let tables = Tables::builtin();
    let chmod = |mode| tables.calls.module(Linkage::Static).decide(number("chmod"), &[0, mode, 0, 0, 0, 0]);
    assert_eq!(chmod(0o644), Verdict::Allow);
    assert_eq!(chmod(0o666), Verdict::Refuse(Errno::Perm));
}

#[test]
fn a_pipe_stays_a_stream_and_sends_no_signals() {
    let tables = Tables::builtin();
    let (get_flags, set_flags) = (3, 4);
    let (append, non_blocking, signals) = (0o2000, 0o4000, 0o20_000);
    let packets = u64::from(crate::constants::value("O_DIRECT").expect("known"));
    for linkage in [Linkage::Static, Linkage::Dynamic] {
        let fcntl = |command, argument| {
            tables.calls.module(linkage).decide(number("fcntl"), &[1, command, argument, 0, 0, 0])
        };
        assert_eq!(fcntl(set_flags, append | non_blocking), Verdict::Allow);
        for flag in [packets, signals] {
            assert_eq!(fcntl(set_flags, flag | non_blocking), Verdict::Refuse(Errno::Perm), "{flag:o}");
        }
        // The argument of other commands is no flags: whatever it holds is ignored, or is a pointer.
        assert_eq!(fcntl(get_flags, packets | signals), Verdict::Allow);
    }
}

#[test]
fn only_a_core_with_a_node_makes_sockets_and_only_tcp() {
    let tables = Tables::builtin();
    let (inet, unix, stream, datagram, mptcp) = (2, 1, 1 | 0o2_000_000, 2, 262);
    let socket = |policy: &SyscallPolicy, domain, kind, protocol| {
        policy.decide(number("socket"), &[domain, kind, protocol, 0, 0, 0])
    };
    let refused = Verdict::Refuse(Errno::FamilyNotSupported);
    let network = tables.calls.core(NODE, Linkage::Static);
    assert_eq!(socket(network, inet, stream, 0), Verdict::Allow);
    assert_eq!(socket(network, inet, datagram, 0), refused);
    assert_eq!(socket(network, inet, stream, mptcp), refused);
    assert_eq!(socket(network, unix, stream, 0), refused);
    assert_eq!(socket(tables.calls.core(NOTHING, Linkage::Static), inet, stream, 0), refused);
    let fast_open = 0x2000_0000;
    assert_eq!(network.decide(number("sendmsg"), &[0, 0, fast_open, 0, 0, 0]), Verdict::Refuse(Errno::Perm));
}

#[test]
fn a_rule_without_a_reason_does_not_parse() {
    assert!(added("[[allow]]\ncalls = [\"umask\"]").contains("why"));
    assert!(added("[[allow]]\ncalls = [\"umask\"]\nwhy = \" \"").contains("the reason is empty"));
}

#[test]
fn an_unknown_call_gets_its_line_and_the_one_that_was_meant() {
    let lines = Sources::BUILTIN.calls_dynamic.text.lines().count();
    let error = added("[[allow]]\nwhy = \"a\"\ncalls = [\"getradnom\"]");
    assert!(error.starts_with(&format!("added.toml:{}:10: ", lines + 4)), "{error}");
    assert!(error.ends_with("did you mean `getrandom`?"), "{error}");
}

#[test]
fn rules_that_can_both_apply_and_disagree_do_not_parse() {
    let rule = |when: &str| format!("[[kill]]\nwhy = \"a\"\ncalls = [\"mmap\"]\nwhen = [\"{when}\"]");
    let error = added(&rule("flags has MAP_ANONYMOUS"));
    assert!(error.contains("mmap and the one at policies/seccomp/module.toml:"), "{error}");
    assert!(error.contains("can both apply and disagree"), "{error}");
}

#[test]
fn a_second_rule_for_the_same_case_does_not_parse() {
    let error = added("[[allow]]\nwhy = \"a\"\ncalls = [\"read\"]");
    assert!(error.contains("read has a rule for the same case at policies/seccomp/module.toml:"), "{error}");
}

#[test]
fn a_rule_without_conditions_stands_after_those_with() {
    let error = added(
        "[[refuse]]\nerrno = \"EPERM\"\nwhy = \"a\"\ncalls = [\"renameat2\"]\n\
         [[allow]]\nwhy = \"a\"\ncalls = [\"renameat2\"]\nwhen = [\"flags has RENAME_EXCHANGE\"]",
    );
    assert!(error.contains("put the rule without `when` last"), "{error}");
}

#[test]
fn conditions_that_exclude_each_other_do_not_parse() {
    let when = "when = [\"prot has PROT_EXEC\", \"prot lacks PROT_EXEC\"]";
    let error = added(&format!("[[allow]]\nwhy = \"a\"\ncalls = [\"mmap\"]\n{when}"));
    assert!(error.contains("no argument satisfies all conditions"), "{error}");
}

#[test]
fn a_rule_for_another_architecture_adds_nothing() {
    let other = if cfg!(target_arch = "x86_64") { "aarch64" } else { "x86_64" };
    let rule = format!("\n[[allow]]\nwhy = \"a\"\narch = \"{other}\"\ncalls = [\"no_such_call\"]");
    let text = format!("{}{rule}", Sources::BUILTIN.calls_dynamic.text);
    let calls_dynamic = Source { text: &text, ..Sources::BUILTIN.calls_dynamic };
    let tables = Tables::parse(&Sources { calls_dynamic, ..Sources::BUILTIN }).expect("skipped");
    assert!(tables == Tables::builtin());
}

#[test]
fn every_capability_has_a_note() {
    let tables = Tables::builtin();
    let levels = ["low: ", "medium: ", "high: "];
    for capability in Capability::ALL {
        let note = tables.note(*capability).expect("a note");
        assert!(levels.iter().any(|level| note.risk.starts_with(level)), "{}", note.risk);
    }
}

#[test]
fn a_layer_that_is_not_listed_cannot_be_waived() {
    let tables = Tables::builtin();
    assert_eq!(tables.weakening("seccomp"), None);
    let layers: Vec<&str> = tables.waivable_layers().collect();
    assert_eq!(
        layers,
        [
            "cgroup",
            "disk_quota",
            "landlock",
            "landlock_network",
            "landlock_scope",
            "memory_deny_write_execute"
        ]
    );
}

/// One file of the policy, with the means to put another text in its place.
type Replace = for<'s, 't> fn(&'s mut Sources<'t>) -> &'s mut Source<'t>;

const FILES: [Replace; 9] = [
    |sources| &mut sources.module,
    |sources| &mut sources.core,
    |sources| &mut sources.layers,
    |sources| &mut sources.capabilities,
    |sources| &mut sources.calls_kill,
    |sources| &mut sources.calls_module,
    |sources| &mut sources.calls_dynamic,
    |sources| &mut sources.calls_core,
    |sources| &mut sources.calls_core_network,
];

#[test]
fn no_file_parses_without_any_one_of_its_reasons() {
    for file in FILES {
        let mut builtin = Sources::BUILTIN;
        let source = *file(&mut builtin);
        for (at, _) in source.text.match_indices("\nwhy = ") {
            let end = source.text[at + 1..].find('\n').map_or(source.text.len(), |end| at + 1 + end);
            let broken = format!("{}{}", &source.text[..at], &source.text[end..]);
            let mut sources: Sources<'_> = Sources::BUILTIN;
            file(&mut sources).text = &broken;
            let error = message(&sources);
            assert!(error.starts_with(source.file) && error.contains("why"), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_mutated_file_parses_or_says_which_file_is_wrong_and_never_panics(
        file in 0..FILES.len(), at in any::<prop::sample::Index>(), cut in 0..40_usize,
        put in prop_oneof![Just(String::new()), "[a-z_\"\\[\\]=|, \n0-9]{0,12}", "\\PC{0,4}"],
    ) {
        let mut sources = Sources::BUILTIN;
        let source = *FILES[file](&mut sources);
        let chars: Vec<char> = source.text.chars().collect();
        let start = at.index(chars.len());
        let end = (start + cut).min(chars.len());
        let broken: String = chars[..start].iter().copied().chain(put.chars()).chain(chars[end..].iter().copied()).collect();
        FILES[file](&mut sources).text = &broken;
        if let Err(error) = Tables::parse(&sources) {
            prop_assert!(error.line >= 1 && error.file.starts_with("policies/"), "{}", error);
            prop_assert!(!error.problem.is_empty());
        }
    }
}
