//! The compiled filter means what the policy says: compared with the policy's own definition, and with a
//! second compiler, on an interpreter of the kernel's BPF.

#![allow(
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cofferdam_launcher::filter::{compile, compile_watched};
use cofferdam_manifest::Manifest;
use cofferdam_policy::profile::{Linkage, SyscallPolicy, Verdict};
use cofferdam_policy::{CoreNeeds, Decisions, Tables, derive, derive_core};
use proptest::prelude::*;

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const TICKET: u64 = 0xdead_beef_0bad_cafe;

const KILL_PROCESS: u32 = 0x8000_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

/// What a watched module does without being held up: the ends of a thread, of the program and of a signal's handler, and
/// what the kernel itself calls.
const NEVER_WATCHED: [i64; 4] =
    [libc::SYS_exit, libc::SYS_exit_group, libc::SYS_rt_sigreturn, libc::SYS_restart_syscall];

static POLICIES: LazyLock<Vec<SyscallPolicy>> = LazyLock::new(|| {
    let tables = Tables::builtin();
    let text = "name = \"m\"\nversion = \"1.0.0\"\nentry_point = \"m\"\n";
    let manifest = Manifest::parse("module.toml", text).unwrap();
    let needs = CoreNeeds { connect_ports: [8332].into(), ..CoreNeeds::default() };
    vec![
        derive(&manifest, &Decisions::default(), Linkage::Static, &tables).syscalls,
        derive(&manifest, &Decisions::default(), Linkage::Dynamic, &tables).syscalls,
        derive_core(&needs, Linkage::Static, &tables).syscalls,
        derive_core(&CoreNeeds::default(), Linkage::Static, &tables).syscalls,
    ]
});

/// For each policy, what the two compilers make of it.
static COMPILED: LazyLock<Vec<Programs>> = LazyLock::new(|| {
    let programs = |policy| Programs {
        ours: instructions(&compile(policy, TICKET).unwrap()),
        watched: instructions(&compile_watched(policy, TICKET).unwrap()),
        reference: reference(policy),
    };
    POLICIES.iter().map(programs).collect()
});

struct Programs {
    ours: Vec<(u16, u8, u8, u32)>,
    /// For `cofferdam learn`.
    watched: Vec<(u16, u8, u8, u32)>,
    reference: Vec<(u16, u8, u8, u32)>,
}

/// seccomp_data of the kernel, as bytes.
fn data(arch: u32, number: u32, arguments: &[u64; 6]) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend(arch.to_le_bytes());
    bytes.extend([0; 8]);
    arguments.iter().for_each(|argument| bytes.extend(argument.to_le_bytes()));
    bytes
}

/// The subset of classic BPF that seccomp filters use; anything else is a failure of the test.
fn interpret(program: &[(u16, u8, u8, u32)], data: &[u8]) -> u32 {
    let (mut accumulator, mut at) = (0_u32, 0_usize);
    loop {
        let (code, jt, jf, k) = program[at];
        at += 1;
        let mut branch = |taken: bool| at += usize::from(if taken { jt } else { jf });
        match code {
            0x20 => {
                let offset = k as usize;
                accumulator = u32::from_le_bytes(data[offset..offset + 4].try_into().unwrap());
            }
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => branch(accumulator == k),
            0x25 => branch(accumulator > k),
            0x35 => branch(accumulator >= k),
            0x06 => return k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

fn instructions(program: &[libc::sock_filter]) -> Vec<(u16, u8, u8, u32)> {
    program.iter().map(|i| (i.code, i.jt, i.jf, i.k)).collect()
}

fn expected(policy: &SyscallPolicy, number: u32, arguments: &[u64; 6]) -> u32 {
    match policy.decide(number, arguments) {
        Verdict::Allow => ALLOW,
        Verdict::Quiet(errno) => ERRNO | errno_number(errno.as_str()),
        Verdict::Refuse(_) | Verdict::Kill => USER_NOTIF,
    }
}

fn errno_number(name: &str) -> u32 {
    match name {
        "EPERM" => 1,
        "EACCES" => 13,
        "ENOSYS" => 38,
        "EAFNOSUPPORT" => 97,
        other => panic!("{other}"),
    }
}

/// The reference compiler: allow what an allowing clause admits, refuse the rest.
fn reference(policy: &SyscallPolicy) -> Vec<(u16, u8, u8, u32)> {
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (number, call) in &policy.rules {
        let allowing = call.clauses.iter().filter(|clause| clause.verdict == Verdict::Allow);
        let mut chains = Vec::new();
        let mut always = false;
        for clause in allowing {
            let conditions: Vec<_> = clause
                .when
                .iter()
                .map(|c| {
                    let op = SeccompCmpOp::MaskedEq(u64::from(c.mask));
                    SeccompCondition::new(c.argument, SeccompCmpArgLen::Dword, op, u64::from(c.value))
                        .unwrap()
                })
                .collect();
            if conditions.is_empty() {
                always = true;
            } else {
                chains.push(SeccompRule::new(conditions).unwrap());
            }
        }
        // In this crate an empty list of chains means: whatever the arguments.
        if always {
            rules.insert(i64::from(*number), Vec::new());
        } else if !chains.is_empty() {
            rules.insert(i64::from(*number), chains);
        }
    }
    let refuse = SeccompAction::Errno(1);
    let filter =
        SeccompFilter::new(rules, refuse, SeccompAction::Allow, seccompiler::TargetArch::x86_64).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    program.iter().map(|i| (i.code, i.jt, i.jf, i.k)).collect()
}

/// Numbers around those that exist, and arguments around those that rules speak of.
fn calls() -> impl Strategy<Value = (usize, u32, [u64; 6])> {
    let interesting: Vec<u64> = POLICIES
        .iter()
        .flat_map(|policy| policy.rules.values())
        .flat_map(|call| call.clauses.iter().flat_map(|clause| &clause.when))
        .flat_map(|condition| [condition.value, condition.mask, condition.value | 1, !condition.mask])
        .map(u64::from)
        .collect();
    let argument = prop_oneof![
        4 => proptest::sample::select(interesting),
        1 => any::<u64>(),
        1 => any::<u32>().prop_map(|low| u64::from(low) | 0xffff_ffff_0000_0000),
        1 => Just(0),
    ];
    let number = prop_oneof![8 => 0_u32..480, 1 => 0_u32..0x3fff_ffff];
    (0..POLICIES.len(), number, proptest::array::uniform6(argument))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_filter_decides_as_the_policy_says((which, number, arguments) in calls()) {
        prop_assume!(arguments[5] != TICKET);
        let policy = &POLICIES[which];
        let decided = interpret(&COMPILED[which].ours, &data(X86_64, number, &arguments));
        prop_assert_eq!(decided, expected(policy, number, &arguments));
    }

    #[test]
    fn a_watched_filter_reports_what_it_allows_and_decides_the_rest_alike((which, number, arguments) in calls()) {
        let bytes = data(X86_64, number, &arguments);
        let programs = &COMPILED[which];
        let never = NEVER_WATCHED.contains(&i64::from(number)) || arguments[5] == TICKET;
        let expected = match interpret(&programs.ours, &bytes) {
            ALLOW if !never => USER_NOTIF,
            decided => decided,
        };
        prop_assert_eq!(interpret(&programs.watched, &bytes), expected);
    }

    #[test]
    fn a_second_compiler_allows_the_same_calls((which, number, arguments) in calls()) {
        prop_assume!(arguments[5] != TICKET);
        let programs = &COMPILED[which];
        let bytes = data(X86_64, number, &arguments);
        let allowed = |program: &[_]| interpret(program, &bytes) == ALLOW;
        prop_assert_eq!(allowed(&programs.ours), allowed(&programs.reference));
    }

    #[test]
    fn an_entry_of_another_architecture_kills(number in any::<u32>(), arguments in any::<[u64; 6]>()) {
        for program in COMPILED.iter().flat_map(|programs| [&programs.ours, &programs.watched]) {
            prop_assert_eq!(interpret(program, &data(I386, number, &arguments)), KILL_PROCESS);
            let x32 = number | 0x4000_0000;
            prop_assert_eq!(interpret(program, &data(X86_64, x32, &arguments)), KILL_PROCESS);
        }
    }

    #[test]
    fn the_ticket_admits_the_two_calls_of_the_launch_and_nothing_like_it_does(wrong in any::<u64>()) {
        prop_assume!(wrong != TICKET);
        let calls = [libc::SYS_execveat as u32, libc::SYS_sendmsg as u32];
        let programs = [&COMPILED[0].ours, &COMPILED[0].watched];
        for (program, number) in programs.iter().flat_map(|program| calls.map(|number| (program, number))) {
            let with = |ticket| interpret(program, &data(X86_64, number, &[4, 0, 0, 0, 0, ticket]));
            prop_assert_eq!(with(TICKET), ALLOW);
            prop_assert_ne!(with(wrong), ALLOW);
            prop_assert_ne!(with(TICKET ^ 1), ALLOW);
            prop_assert_ne!(with(TICKET ^ (1 << 63)), ALLOW);
        }
    }
}

#[test]
fn every_filter_is_smaller_than_the_reference() {
    for programs in COMPILED.iter() {
        let (ours, reference) = (programs.ours.len(), programs.reference.len());
        assert!(ours * 4 < reference * 3, "{ours} instructions against {reference}");
    }
}
