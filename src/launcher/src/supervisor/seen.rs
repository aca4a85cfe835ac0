//! The system calls of a watched subject, counted. What it may do decides the policy alone: a count changes nothing.

use std::collections::BTreeMap;

use cofferdam_policy::profile::SyscallPolicy;
use nix::fcntl::OFlag;

use crate::sys::notify::Notification;

/// Numbers of refused calls that are counted apart: a hostile module may make up any, and the counts are memory.
const MAX_REFUSED: usize = 256;

/// What a watched subject called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// By the call's number and the place of the policy's clause that allowed it.
    allowed: BTreeMap<(u32, usize), u64>,
    /// Those that make, change or remove files, however they ended.
    writes: u64,
    /// Refused, or lethal, by the call's number.
    refused: BTreeMap<i32, u64>,
    /// Refused calls of further numbers.
    refused_others: u64,
    /// The kernel can hold an allowed call up and not let it go on.
    pub(crate) cannot_go_on: bool,
}

impl Seen {
    /// Counts a call that `policy` allows.
    pub(super) fn allow(&mut self, notification: &Notification, policy: &SyscallPolicy) {
        let number = u32::try_from(notification.number).unwrap_or(u32::MAX);
        let clauses = policy.rules.get(&number).map(|rules| rules.clauses.iter());
        let clause = clauses.and_then(|mut all| all.position(|one| one.applies(&notification.arguments)));
        // Without a clause the policy's last word has allowed it, of which there is one a number.
        let count = self.allowed.entry((number, clause.unwrap_or(usize::MAX))).or_default();
        *count = count.saturating_add(1);
        self.writes = self.writes.saturating_add(u64::from(writes_files(notification)));
    }

    /// Counts a call that is not performed.
    pub(super) fn refuse(&mut self, number: i32) {
        self.add_refused(number, 1);
    }

    /// Adds what was seen of another start of the same module.
    pub(super) fn add(&mut self, other: Self) {
        for (call, count) in other.allowed {
            let sum = self.allowed.entry(call).or_default();
            *sum = sum.saturating_add(count);
        }
        self.writes = self.writes.saturating_add(other.writes);
        other.refused.into_iter().for_each(|(number, count)| self.add_refused(number, count));
        self.refused_others = self.refused_others.saturating_add(other.refused_others);
        self.cannot_go_on |= other.cannot_go_on;
    }

    fn add_refused(&mut self, number: i32, count: u64) {
        let counted = match self.refused.contains_key(&number) || self.refused.len() < MAX_REFUSED {
            true => self.refused.entry(number).or_default(),
            false => &mut self.refused_others,
        };
        *counted = counted.saturating_add(count);
    }

    /// Numbers and clauses of what was allowed, with the counts.
    pub(super) fn allowed(&self) -> impl Iterator<Item = (u32, usize, u64)> + '_ {
        self.allowed.iter().map(|((number, clause), count)| (*number, *clause, *count))
    }

    /// How many of the allowed calls make, change or remove files.
    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// Numbers of what was refused, with the counts.
    pub(super) fn refused(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        self.refused.iter().map(|(number, count)| (*number, *count))
    }

    /// How many calls of numbers beyond the bound were refused.
    pub(super) fn refused_others(&self) -> u64 {
        self.refused_others
    }
}

/// Whether a call makes, changes or removes a file by a name, or opens one to write in it. No module
/// is allowed openat2(2), whose flags lie in memory.
fn writes_files(notification: &Notification) -> bool {
    let [_, second, third, ..] = notification.arguments;
    let to_write = |flags: u64| {
        let flags =
            OFlag::from_bits_retain(i32::try_from(flags & u64::from(u32::MAX >> 1)).unwrap_or(i32::MAX));
        flags.intersects(OFlag::O_WRONLY | OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_TRUNC)
    };
    match i64::from(notification.number) {
        libc::SYS_open => to_write(second),
        libc::SYS_openat => to_write(third),
        libc::SYS_creat
        | libc::SYS_mkdir
        | libc::SYS_mkdirat
        | libc::SYS_rename
        | libc::SYS_renameat
        | libc::SYS_renameat2
        | libc::SYS_link
        | libc::SYS_linkat
        | libc::SYS_unlink
        | libc::SYS_unlinkat
        | libc::SYS_rmdir
        | libc::SYS_truncate
        | libc::SYS_chmod
        | libc::SYS_fchmod
        | libc::SYS_fchmodat
        | libc::SYS_utimensat => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_writes_files_by_what_it_is_or_by_its_flags() {
        let call = |number: i64, arguments: [u64; 3]| {
            let [one, two, three] = arguments;
            let number = i32::try_from(number).unwrap();
            writes_files(&Notification { id: 0, number, arguments: [one, two, three, 0, 0, 0] })
        };
        let flags = |flags: OFlag| u64::try_from(flags.bits()).unwrap();
        let read = flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC);
        for write in
            [OFlag::O_WRONLY, OFlag::O_RDWR, OFlag::O_CREAT, OFlag::O_TRUNC | OFlag::O_APPEND].map(flags)
        {
            assert!(call(libc::SYS_openat, [0, read, write]) && call(libc::SYS_open, [read, write, read]));
            assert!(
                !call(libc::SYS_openat, [write, write, read]) && !call(libc::SYS_open, [write, read, write])
            );
        }
        assert!(call(libc::SYS_mkdirat, [0, 0, 0]));
        assert!(!call(libc::SYS_read, [0, 0, 0]) && !call(libc::SYS_write, [1, 1, 1]));
        assert!(call(libc::SYS_openat, [0, 0, u64::MAX]), "the upper half does not count");
    }

    #[test]
    fn numbers_without_end_are_counted_in_bounded_memory_and_none_is_lost() {
        let mut seen = Seen::default();
        (0..10_000).for_each(|number| seen.refuse(number));
        let mut sum = Seen::default();
        sum.refuse(-1);
        sum.add(seen);
        assert_eq!(sum.refused.len(), MAX_REFUSED);
        let counted: u64 = sum.refused().map(|(_, count)| count).sum();
        assert_eq!(counted + sum.refused_others(), 10_001);
    }
}
