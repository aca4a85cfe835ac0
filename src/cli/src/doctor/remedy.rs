//! What an operator can do about each thing that this host does not give: a command or a line, never more than the
//! cause that was found calls for. Pure.

use crate::facts::Facts;
use crate::prerequisites::DISK_QUOTA;

/// A container's own rules, which are in the way more often than the kernel's.
const CONTAINER: &str = "this looks like a container: start it with `--cap-add SYS_ADMIN --security-opt \
    seccomp=unconfined --security-opt apparmor=unconfined` (podman, docker), or run Cofferdam outside of it";

const SCOPE: &str = "run as root, or in a subtree of its own: \
    `systemd-run --user --scope -p Delegate=yes cofferdam run`; a user's manager must have the controllers: \
    `Delegate=cpu memory pids` under [Service] in /etc/systemd/system/user@.service.d/delegate.conf";

const TOO_OLD_FOR_NAMESPACES: &str = "boot a kernel with CONFIG_NAMESPACES and CONFIG_USER_NS";

/// What to do about `name`, which was refused with `why`.
pub(super) fn remedy(name: &str, why: &str, facts: &Facts) -> String {
    match name {
        "user_namespaces" => user_namespaces(why, facts),
        "mount_namespace" => namespace("mnt", why, facts),
        "pid_namespace" => namespace("pid", why, facts),
        "net_namespace" => namespace("net", why, facts),
        "ipc_namespace" => namespace("ipc", why, facts),
        "uts_namespace" => namespace("uts", why, facts),
        "cgroup_namespace" => namespace("cgroup", why, facts),
        "root_file_system" => root_file_system(why, facts),
        "seccomp" if is(why, "EBUSY") => {
            "a filter around this process reports to another program already: run Cofferdam outside of it".to_owned()
        }
        "memfd_exec" if matches!(facts.setting("vm.memfd_noexec"), Some("2")) => {
            "sysctl vm.memfd_noexec=1: 2 forbids what lies in memory to be executed, also to the launcher".to_owned()
        }
        "landlock" if is(why, "EOPNOTSUPP") => {
            "add landlock to the lsm= list of the kernel's command line and boot again".to_owned()
        }
        "cgroup" => cgroup(why),
        "uids" if why.starts_with("take ") => {
            "this root may not take them (a user namespace with few ids?): set sandbox.uid_base to ids that are \
             mapped, or run Cofferdam as an ordinary user"
                .to_owned()
        }
        "launch" if why.contains("TOMOYO") => {
            "update the kernel, or boot it with an lsm= list without tomoyo".to_owned()
        }
        _ if is(why, "ENOSYS") && facts.setting("seccomp") == Some("2") => CONTAINER.to_owned(),
        _ => usual(name).to_owned(),
    }
}

/// What helps where nothing special was seen.
fn usual(name: &str) -> &'static str {
    match name {
        "clone3" => "boot Linux 5.7 or newer",
        "pidfd" => "boot Linux 5.4 or newer",
        "openat2" => "boot Linux 5.6 or newer",
        "close_range" => "boot Linux 5.9 or newer",
        "memfd_exec" => {
            "is a security module (SELinux, IPE) in the way? allow cofferdam-launcher to execute memory files"
        }
        "seccomp" => "boot Linux 5.0 or newer with CONFIG_SECCOMP_FILTER",
        "landlock" => "boot Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK and landlock in its lsm= list",
        "landlock_network" => "boot Linux 6.7 or newer",
        "landlock_scope" => "boot Linux 6.12 or newer",
        "memory_deny_write_execute" => "boot Linux 6.3 or newer",
        "disk_quota" => DISK_QUOTA,
        "keyring" => "raise `sysctl kernel.keys.maxkeys`, or let the user's old keyrings expire",
        "uids" => "set sandbox.uid_base to 67108864 ids that nobody has, or give that user another id",
        "descriptors" => {
            "raise the hard limit of open files: `ulimit -Hn 65536`, or LimitNOFILE=65536 in the unit"
        }
        "state_dir" => "set state_dir to a folder that this user may write, on a local file system",
        "data_dir" => "set modules.data_dir to a folder that this user may write, on a local file system",
        "state_dir_lasts" => "set state_dir to a folder on a disk, such as /var/lib/cofferdam",
        "room" => {
            "set modules.data_dir to a file system of its own (or one with a project quota), make room, or lower \
             storage_bytes and file_bytes under [modules.limits.<module>]"
        }
        "data_dir_lasts" => "set modules.data_dir to a folder on a disk, such as /var/lib/cofferdam/data",
        "kernel.yama.ptrace_scope" => "sysctl kernel.yama.ptrace_scope=1",
        "kernel.unprivileged_bpf_disabled" => "sysctl kernel.unprivileged_bpf_disabled=1",
        "kernel.kptr_restrict" => "sysctl kernel.kptr_restrict=1",
        "kernel.dmesg_restrict" => "sysctl kernel.dmesg_restrict=1",
        "vm.unprivileged_userfaultfd" => "sysctl vm.unprivileged_userfaultfd=0",
        "kernel.core_pattern" => "sysctl kernel.core_pattern=core, where no crash reports are wanted",
        "launch" => {
            "mend what else is missing first; where nothing is, the text names the step that failed: see docs/launch-sequence.md"
        }
        "no_new_privs" | "kernel" => "does an outer sandbox forbid the call? run Cofferdam outside of it",
        _ => "please report what was seen: no remedy is known",
    }
}

/// Whether an error's text names this error.
fn is(why: &str, errno: &str) -> bool {
    let in_words = match errno {
        "EPERM" => "Operation not permitted",
        "EROFS" => "Read-only file system",
        "EACCES" => "Permission denied",
        "EBUSY" => "Device or resource busy",
        "ENOSPC" => "No space left on device",
        other => other,
    };
    why.contains(errno) || why.contains(in_words)
}

fn user_namespaces(why: &str, facts: &Facts) -> String {
    if facts.setting("user.max_user_namespaces") == Some("0") || is(why, "ENOSPC") {
        return "sysctl user.max_user_namespaces=10000 (a line of that in /etc/sysctl.d/ keeps it)"
            .to_owned();
    }
    if !facts.is_root() && facts.setting("kernel.unprivileged_userns_clone") == Some("0") {
        return "sysctl kernel.unprivileged_userns_clone=1 (Debian's own setting); or run as root".to_owned();
    }
    if !facts.is_root() && facts.setting("kernel.apparmor_restrict_unprivileged_userns") == Some("1") {
        return "AppArmor keeps users from user namespaces: allow them to this program with a profile in \
                /etc/apparmor.d/ that says `userns,` and has flags=(unconfined), then `apparmor_parser -r` it; or \
                for all programs: sysctl kernel.apparmor_restrict_unprivileged_userns=0; or run as root"
            .to_owned();
    }
    if is(why, "ENOSYS") || is(why, "EPERM") && facts.setting("seccomp") == Some("2") {
        return CONTAINER.to_owned();
    }
    if is(why, "EUSERS") {
        return "too many user namespaces lie within each other: run Cofferdam further out".to_owned();
    }
    if is(why, "EINVAL") {
        return TOO_OLD_FOR_NAMESPACES.to_owned();
    }
    "run as root; in a chroot, leave it: user namespaces cannot be made there".to_owned()
}

fn namespace(kind: &str, why: &str, facts: &Facts) -> String {
    if !facts.is_root() && facts.of("user_namespaces").is_err() {
        return "mend user namespaces first: an ordinary user makes the others inside one".to_owned();
    }
    if is(why, "ENOSPC") {
        return format!("sysctl user.max_{kind}_namespaces=10000");
    }
    if is(why, "EINVAL") {
        return TOO_OLD_FOR_NAMESPACES.to_owned();
    }
    CONTAINER.to_owned()
}

fn root_file_system(why: &str, facts: &Facts) -> String {
    if !facts.is_root() && facts.of("user_namespaces").is_err() {
        return "mend user namespaces first: an ordinary user mounts inside one".to_owned();
    }
    if why.contains("pivot_root") && is(why, "EINVAL") {
        return "this system runs from its initramfs, which cannot be left behind: switch_root to a file system \
                of its own first (a tmpfs will do)"
            .to_owned();
    }
    CONTAINER.to_owned()
}

fn cgroup(why: &str) -> String {
    if is(why, "EROFS") {
        return "the cgroup file system is mounted read-only: in a container, mount it writable and with a cgroup \
                namespace (`--cgroupns private`), or run Cofferdam outside of it"
            .to_owned();
    }
    if is(why, "EBUSY") {
        return "other processes are in this cgroup, which must be Cofferdam's alone to be divided: start it in one \
                of its own: `systemd-run --user --scope -p Delegate=yes cofferdam run`"
            .to_owned();
    }
    SCOPE.to_owned()
}
