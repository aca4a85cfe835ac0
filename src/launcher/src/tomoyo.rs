//! A defect of TOMOYO, a security module of the kernel, that keeps every program here from starting: it looks up
//! `/dev/fd/N`, the name of a program that is only a descriptor, and a sandbox has no such file. Its own fallback came
//! with Linux 5.10.227, 6.1.113 and 6.12. This only recognises it, so that the operator is told; nothing is worked around.

use nix::errno::Errno;

use crate::step::Step;

/// The security modules in force, separated by commas. Kernel: Documentation/admin-guide/LSM/index.rst
const MODULES: &str = "/sys/kernel/security/lsm";

const REMEDY: &str = "TOMOYO, a security module of this kernel, starts no program that is only a descriptor before Linux \
     5.10.227, 6.1.113 or 6.12: update the kernel, or boot it with an lsm= list without tomoyo";

/// What the operator can do when this step has failed so, here.
pub(crate) fn remedy(step: Step, errno: Errno) -> &'static str {
    let modules = std::fs::read_to_string(MODULES).unwrap_or_default();
    if is_in_the_way(step, errno, &modules) { REMEDY } else { step.remedy() }
}

fn is_in_the_way(step: Step, errno: Errno, modules: &str) -> bool {
    let is_on = modules.trim().split(',').any(|module| module == "tomoyo");
    step == Step::Execute && errno == Errno::ENOENT && is_on
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_that_is_not_found_under_tomoyo_is_put_down_to_it() {
        let debian = "lockdown,capability,yama,apparmor,tomoyo\n";
        assert!(is_in_the_way(Step::Execute, Errno::ENOENT, debian));
        assert!(!is_in_the_way(Step::Execute, Errno::EACCES, debian));
        assert!(!is_in_the_way(Step::EnterCgroup, Errno::ENOENT, debian));
        assert!(!is_in_the_way(Step::Execute, Errno::ENOENT, "lockdown,capability,yama\n"));
        assert!(!is_in_the_way(Step::Execute, Errno::ENOENT, ""));
    }
}
