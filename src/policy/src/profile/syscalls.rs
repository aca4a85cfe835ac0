//! The system call rules of a profile: plain data. What they mean is `SyscallPolicy::decide`; this decides nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The system calls of a program: rules in order, and what happens to everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyscallPolicy {
    /// For each system call number the clauses to try in order; the first whose conditions all hold decides.
    pub rules: BTreeMap<u32, SyscallRules>,
    /// Whatever no clause decides.
    pub otherwise: Verdict,
}

/// The clauses of one system call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyscallRules {
    /// Its name.
    pub name: String,
    /// Tried in order. A clause without conditions is the last one.
    pub clauses: Vec<Clause>,
}

/// One rule about a system call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// All must hold; none: always.
    pub when: Vec<Condition>,
    /// What happens then.
    pub verdict: Verdict,
    /// Who needs it, and when; or why it is refused.
    pub why: String,
    /// The policy file that states it.
    pub file: String,
}

/// `argument & mask == value`, on the low 32 bits of the argument. The kernel itself cuts every argument that
/// a policy may name (`int`, `unsigned int`, flag words) to 32 bits; the parser refuses any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub argument: u8,
    /// Which bits count.
    pub mask: u32,
    /// What they must be.
    pub value: u32,
    /// As the policy file writes it, with the kernel's names.
    pub text: String,
}

/// What a system call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The kernel performs it.
    Allow,
    /// It returns this error and nobody is told: runtimes probe for it at every start and have a fallback.
    Quiet(Errno),
    /// It returns this error; the launcher logs it as a denial of the module, which goes on.
    Refuse(Errno),
    /// The module is killed and the launcher logs why: no module does this by accident.
    Kill,
}

/// An error number that a policy may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Errno {
    /// Operation not permitted.
    #[serde(rename = "EPERM")]
    Perm,
    /// Permission denied.
    #[serde(rename = "EACCES")]
    Access,
    /// Function not implemented: the C library falls back to an older call.
    #[serde(rename = "ENOSYS")]
    NoSys,
    /// Address family not supported.
    #[serde(rename = "EAFNOSUPPORT")]
    FamilyNotSupported,
}

impl Errno {
    /// The name of errno(3).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Perm => "EPERM",
            Self::Access => "EACCES",
            Self::NoSys => "ENOSYS",
            Self::FamilyNotSupported => "EAFNOSUPPORT",
        }
    }
}
