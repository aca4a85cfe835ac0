//! Compiles a system call policy into a seccomp program: a binary search over ranges of numbers.
//!
//! The kernel emulates a new filter once for every system call number (`seccomp_cache_prepare`), so a linear
//! chain, as most compilers emit it, costs several hundred microseconds at each start; a tree costs a fifth.
//! Meaning is defined by `SyscallPolicy::decide`; tests compare the two, and with a second compiler, on an
//! interpreter.
//!
//! Two calls may be made once by the launcher's own child under the filter: `sendmsg`, which hands over the
//! listener, and `execveat`, which starts the program. They pass when their sixth argument, which the kernel
//! ignores, is the ticket of this start: 64 random bits that exec wipes from every register and all memory.
//!
//! Under `cofferdam learn` the calls that the policy allows are reported too, and the launcher lets them go on. What
//! it refuses is refused as ever.

use cofferdam_policy::profile::{Condition, SyscallPolicy, SyscallRules, Verdict};
use syscalls::Sysno;

const LD_ABS_W: u16 = 0x20;
const ALU_AND_K: u16 = 0x54;
const JMP_JA: u16 = 0x05;
const JMP_JEQ_K: u16 = 0x15;
const JMP_JGE_K: u16 = 0x35;
const RET_K: u16 = 0x06;

const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
/// Set in every number of the x32 interface, which shares the architecture's audit value.
const X32_BIT: u32 = 0x4000_0000;

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;

/// The kernel's BPF_MAXINSNS.
const MAX_INSTRUCTIONS: usize = 4096;

/// A policy that does not fit a filter.
#[derive(Debug, thiserror::Error)]
#[error(
    "the system call policy compiles to {instructions} instructions; the kernel takes {MAX_INSTRUCTIONS}"
)]
pub struct FilterTooLong {
    instructions: usize,
}

/// Calls that are never reported when the policy allows them. The child of a start that fails ends by `exit_group`
/// while the launcher waits for it and answers nothing; the others would not survive a signal while they wait: they
/// are the ends of threads and of signal handlers, and what the kernel calls itself.
pub(crate) const NEVER_WATCHED: [Sysno; 4] =
    [Sysno::exit, Sysno::exit_group, Sysno::rt_sigreturn, Sysno::restart_syscall];

/// Compiles `policy`. `ticket` is the secret of one start.
///
/// # Errors
/// [`FilterTooLong`].
pub fn compile(policy: &SyscallPolicy, ticket: u64) -> Result<Vec<libc::sock_filter>, FilterTooLong> {
    assemble(Source { policy, ticket, allowed: libc::SECCOMP_RET_ALLOW })
}

/// As [`compile`], with a filter that reports the allowed calls too.
///
/// # Errors
/// [`FilterTooLong`].
pub fn compile_watched(policy: &SyscallPolicy, ticket: u64) -> Result<Vec<libc::sock_filter>, FilterTooLong> {
    assemble(Source { policy, ticket, allowed: libc::SECCOMP_RET_USER_NOTIF })
}

/// What a filter is made from.
#[derive(Clone, Copy)]
struct Source<'s> {
    policy: &'s SyscallPolicy,
    ticket: u64,
    /// What the kernel does with an allowed call.
    allowed: u32,
}

impl Source<'_> {
    /// The same, for the call of this number.
    fn of(self, number: u32) -> Self {
        let never = NEVER_WATCHED.iter().any(|call| number_of(*call) == number);
        Self { allowed: if never { libc::SECCOMP_RET_ALLOW } else { self.allowed }, ..self }
    }

    /// What the kernel does. Refused and forbidden calls both wait for the launcher, which knows which is which, logs
    /// them, and answers or kills: in no case are they performed.
    fn verdict(self, verdict: Verdict) -> libc::sock_filter {
        let action = match verdict {
            Verdict::Allow => self.allowed,
            Verdict::Quiet(errno) => libc::SECCOMP_RET_ERRNO | u32::from(crate::denial::errno_number(errno)),
            Verdict::Refuse(_) | Verdict::Kill => libc::SECCOMP_RET_USER_NOTIF,
        };
        statement(RET_K, action)
    }
}

fn assemble(source: Source<'_>) -> Result<Vec<libc::sock_filter>, FilterTooLong> {
    let mut program = vec![
        statement(LD_ABS_W, OFFSET_ARCH),
        jump(JMP_JEQ_K, AUDIT_ARCH_X86_64, 1, 0),
        statement(RET_K, libc::SECCOMP_RET_KILL_PROCESS),
        statement(LD_ABS_W, OFFSET_NUMBER),
        jump(JMP_JGE_K, X32_BIT, 0, 1),
        statement(RET_K, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    program.extend(tree(&ranges(source)));
    if program.len() > MAX_INSTRUCTIONS {
        return Err(FilterTooLong { instructions: program.len() });
    }
    Ok(program)
}

/// From `first` up to the next range, this block decides.
struct Range {
    first: u32,
    block: Vec<libc::sock_filter>,
}

fn ranges(source: Source<'_>) -> Vec<Range> {
    let otherwise = vec![source.verdict(source.policy.otherwise)];
    let mut numbers: std::collections::BTreeSet<u32> = source.policy.rules.keys().copied().collect();
    numbers.extend(ticketed());
    let mut all: Vec<Range> = vec![Range { first: 0, block: otherwise.clone() }];
    for number in numbers {
        all.push(Range { first: number, block: block(number, source.of(number)) });
        all.push(Range { first: number.saturating_add(1), block: otherwise.clone() });
    }
    let mut merged: Vec<Range> = Vec::new();
    for range in all {
        match merged.last_mut() {
            Some(last) if last.first == range.first => last.block = range.block,
            Some(last) if last.block == range.block => {}
            _ => merged.push(range),
        }
        merge_back(&mut merged);
    }
    merged
}

/// After a block was replaced, the two last ranges may decide alike.
fn merge_back(merged: &mut Vec<Range>) {
    if let [.., before, last] = merged.as_slice()
        && before.block == last.block
    {
        merged.pop();
    }
}

fn ticketed() -> [u32; 2] {
    [number_of(Sysno::sendmsg), number_of(Sysno::execveat)]
}

fn number_of(call: Sysno) -> u32 {
    u32::try_from(call.id()).unwrap_or(u32::MAX)
}

/// Decides one system call. The accumulator holds its number on entry and anything on exit.
fn block(number: u32, source: Source<'_>) -> Vec<libc::sock_filter> {
    let mut block = Vec::new();
    if ticketed().contains(&number) {
        block.extend(admit_ticket(source.ticket));
    }
    if let Some(rules) = source.policy.rules.get(&number) {
        block.extend(clauses(rules, source));
        if rules.clauses.iter().any(|clause| clause.when.is_empty()) {
            return block;
        }
    }
    block.push(source.verdict(source.policy.otherwise));
    block
}

fn clauses(rules: &SyscallRules, source: Source<'_>) -> Vec<libc::sock_filter> {
    let mut out = Vec::new();
    for clause in &rules.clauses {
        let decided = source.verdict(clause.verdict);
        let tests: Vec<_> = clause.when.iter().map(test).collect();
        // A failing test jumps over what is left of this clause.
        let mut left = tests.iter().map(Vec::len).sum::<usize>() + 1;
        for mut instructions in tests {
            left -= instructions.len();
            if let Some(last) = instructions.last_mut() {
                last.jf = u8::try_from(left).unwrap_or(u8::MAX);
            }
            out.extend(instructions);
        }
        out.push(decided);
        if clause.when.is_empty() {
            break;
        }
    }
    out
}

fn test(condition: &Condition) -> Vec<libc::sock_filter> {
    let mut out = vec![statement(LD_ABS_W, low_half(condition.argument))];
    if condition.mask != u32::MAX {
        out.push(statement(ALU_AND_K, condition.mask));
    }
    out.push(jump(JMP_JEQ_K, condition.value, 0, 0));
    out
}

fn admit_ticket(ticket: u64) -> [libc::sock_filter; 5] {
    let (low, high) = halves(ticket);
    [
        statement(LD_ABS_W, low_half(5)),
        jump(JMP_JEQ_K, low, 0, 3),
        statement(LD_ABS_W, low_half(5) + 4),
        jump(JMP_JEQ_K, high, 0, 1),
        statement(RET_K, libc::SECCOMP_RET_ALLOW),
    ]
}

fn halves(value: u64) -> (u32, u32) {
    let low = u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0);
    (low, u32::try_from(value >> 32).unwrap_or(0))
}

/// Arguments are 64 bits each; on a little-endian machine the low half comes first.
fn low_half(argument: u8) -> u32 {
    OFFSET_ARGUMENTS + 8 * u32::from(argument)
}

fn tree(ranges: &[Range]) -> Vec<libc::sock_filter> {
    let (left, right) = ranges.split_at(ranges.len() / 2);
    let (Some(_), Some(pivot)) = (left.first(), right.first()) else {
        return ranges.iter().flat_map(|range| range.block.iter().copied()).collect();
    };
    let (below, above) = (tree(left), tree(right));
    let mut out = Vec::with_capacity(2 + below.len() + above.len());
    if let Ok(over) = u8::try_from(below.len()) {
        out.push(jump(JMP_JGE_K, pivot.first, over, 0));
    } else {
        // A conditional jump reaches 255 instructions; `ja` reaches all.
        out.push(jump(JMP_JGE_K, pivot.first, 0, 1));
        out.push(statement(JMP_JA, u32::try_from(below.len()).unwrap_or(u32::MAX)));
    }
    out.extend(below);
    out.extend(above);
    out
}

fn statement(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 0, k }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}
