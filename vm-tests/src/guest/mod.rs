//! The guest's first process: it makes a Linux system out of the initial memory file system, runs the plan in a child,
//! reaps what is orphaned meanwhile, and switches the machine off. It never ends otherwise.

mod cgroups;
mod enter;
mod run;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::waitpid;
use nix::unistd::{chdir, chroot};

use crate::plan::MODULES;

/// The serial port that reports go to; the first is the console's.
const REPORTS: &str = "/dev/ttyS1";

/// Where the kernel finds this program.
pub(crate) const INIT: &str = "/init";

/// Folders of libraries: in the guest's `/` each is a link to that in /usr.
pub(crate) const LIBRARY_FOLDERS: [&str; 2] = ["lib", "lib64"];

/// What programs expect of a system; the ordinary user is the one that the tests run as.
const SYSTEM_FILES: [(&str, &str); 2] = [
    ("/etc/passwd", "root:x:0:0:root:/tmp:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n"),
    ("/etc/group", "root:x:0:\nuser:x:1000:\n"),
];

/// Runs as the guest's first process, as its child that runs the plan, or as what becomes a test.
pub(crate) fn main() -> ! {
    if nix::unistd::getpid().as_raw() != 1 {
        let mut arguments = std::env::args_os().skip(1);
        let ended = match arguments.next() {
            Some(word) if word == enter::ENTER => enter::enter(arguments).map(|never| match never {}),
            _ => run::run(Path::new(REPORTS)),
        };
        let failed = ended.inspect_err(|error| eprintln!("vm-tests: {error:#}")).is_err();
        std::process::exit(i32::from(failed));
    }
    if let Err(error) = settle().and_then(|()| run_plan()) {
        eprintln!("vm-tests: {error:#}");
    }
    let Err(error) = reboot(RebootMode::RB_POWER_OFF);
    eprintln!("vm-tests: cannot switch the machine off: {error}");
    // The kernel panics when its first process ends, which ends the machine as well.
    std::process::exit(1);
}

fn settle() -> Result<()> {
    leave_initial_file_system().context("leave the initial file system")?;
    mount_on("proc", "/proc", "")?;
    mount_on("sysfs", "/sys", "")?;
    mount_on("securityfs", "/sys/kernel/security", "")?;
    mount_on("devtmpfs", "/dev", "")?;
    mount_on("tmpfs", "/dev/shm", "mode=1777")?;
    mount_on("devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666")?;
    // udev's part: scripts that are executed by a descriptor are read by this name.
    symlink("/proc/self/fd", "/dev/fd").context("link /dev/fd")?;
    // The root is in memory itself; and the workspace may lie below one of these.
    for (folder, mode) in [("/run", 0o755), ("/tmp", 0o1777)] {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(mode))?;
    }
    for name in LIBRARY_FOLDERS {
        let folder = Path::new("usr").join(name);
        fs::create_dir_all(Path::new("/").join(&folder))?;
        symlink(folder, Path::new("/").join(name)).with_context(|| format!("link /{name}"))?;
    }
    fs::create_dir_all("/etc")?;
    SYSTEM_FILES.iter().try_for_each(|(path, text)| fs::write(path, text))?;
    busybox(&["--install", "-s", "/bin"])?;
    busybox(&["ip", "link", "set", "lo", "up"])?;
    load_modules()?;
    // Debian's own switch; kernels of others do not have it.
    let userns = Path::new("/proc/sys/kernel/unprivileged_userns_clone");
    if userns.exists() {
        fs::write(userns, "1").context("allow user namespaces to ordinary users")?;
    }
    Ok(())
}

/// Loads what the kernel has as modules and tests need. finit_module(2)
fn load_modules() -> Result<()> {
    let Ok(listed) = fs::read_dir(MODULES) else { return Ok(()) };
    let mut modules: Vec<_> =
        listed.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    modules.sort();
    for module in modules {
        let load = || anyhow::Ok(finit_module(&File::open(&module)?, c"", ModuleInitFlags::empty())?);
        load().with_context(|| format!("load {}", module.display()))?;
    }
    Ok(())
}

/// pivot_root(2) refuses to leave the initial file system, which is the root of all mounts. A bind mount of it, moved
/// over it, is an ordinary root that holds the same files.
fn leave_initial_file_system() -> Result<()> {
    const NONE: Option<&str> = None;
    fs::create_dir_all("/new")?;
    mount(Some("/"), "/new", NONE, MsFlags::MS_BIND, NONE)?;
    chdir("/new")?;
    mount(Some("."), "/", NONE, MsFlags::MS_MOVE, NONE)?;
    chroot(".")?;
    Ok(chdir("/")?)
}

/// Mounts a file system on a folder that it makes.
pub(super) fn mount_on(kind: &str, point: &str, options: &str) -> Result<()> {
    fs::create_dir_all(point).with_context(|| format!("make {point}"))?;
    let flags = MsFlags::MS_NOSUID;
    mount(Some(kind), point, Some(kind), flags, Some(options))
        .with_context(|| format!("mount {kind} on {point} ({options})"))
}

fn busybox(arguments: &[&str]) -> Result<()> {
    let status = Command::new("/bin/busybox").args(arguments).status().context("start busybox")?;
    ensure!(status.success(), "busybox {arguments:?}: {status}");
    Ok(())
}

/// Runs the plan in a child. Every orphan of the tests becomes this process's child, and is a zombie until it is
/// waited for.
fn run_plan() -> Result<()> {
    let child = Command::new(INIT).spawn().context("start the child")?;
    let child = i32::try_from(child.id())?;
    loop {
        let ended = waitpid(None, None).context("wait for a child")?;
        if ended.pid().is_some_and(|pid| pid.as_raw() == child) {
            println!("vm-tests: the plan's process has ended: {ended:?}");
            return Ok(());
        }
    }
}
