//! What the kernel shows of the confined probe in /proc: descriptors, mounts, namespaces, interfaces, limits,
//! Linux capabilities; and the limits of its cgroup. Nothing here comes from the probe.

use std::fs;
use std::path::Path;

use cofferdam_policy::profile::Namespace;
use nix::unistd::Pid;

use crate::doctor::Fact;
use crate::host::proc_of;
use crate::start::Loaded;
use crate::supervisor::subject::Subject;

/// Lines of /proc/PID/status that say what rights a process has.
const STATUS: [&str; 8] = ["Uid", "Gid", "NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd"];

/// Everything that can be seen. What cannot be read is told as that: it is a difference too.
pub(super) fn look(loaded: &Loaded, subject: &Subject, pid: Pid) -> Vec<Fact> {
    let proc = proc_of(pid);
    let mut facts = descriptors(&proc);
    facts.extend(mounts(&proc));
    facts.extend(Namespace::ALL.map(|namespace| namespace_of(&proc, namespace.as_str())));
    facts.extend(interfaces(&proc));
    facts.extend(limits(&proc));
    facts.extend(status(&proc));
    facts.extend(cgroup(subject));
    facts.extend(disk(loaded));
    facts
}

fn read(proc: &str, name: &str) -> Result<String, String> {
    fs::read_to_string(format!("{proc}/{name}")).map_err(|error| format!("/proc/PID/{name}: {error}"))
}

fn unreadable(name: &str, why: String) -> Vec<Fact> {
    vec![Fact { name: name.to_owned(), found: Err(why) }]
}

fn descriptors(proc: &str) -> Vec<Fact> {
    let entries = match fs::read_dir(format!("{proc}/fd")) {
        Ok(entries) => entries,
        Err(error) => return unreadable("descriptors", format!("/proc/PID/fd: {error}")),
    };
    let one = |entry: fs::DirEntry| {
        let kind = fs::read_link(entry.path()).map_err(|error| error.to_string());
        // `pipe:[1234]` without its number, which is another each time.
        let kind = kind.map(|kind| kind.to_string_lossy().split(':').next().unwrap_or_default().to_owned());
        Fact { name: format!("descriptor {}", entry.file_name().to_string_lossy()), found: kind }
    };
    entries.filter_map(Result::ok).map(one).collect()
}

/// The last mount at each mount point, with its own options. proc_pid_mountinfo(5).
fn mounts(proc: &str) -> Vec<Fact> {
    let text = match read(proc, "mountinfo") {
        Ok(text) => text,
        Err(why) => return unreadable("mounts", why),
    };
    let mut points: Vec<(&str, &str)> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(' ').skip(4);
        let (Some(point), Some(options)) = (fields.next(), fields.next()) else { continue };
        points.retain(|(other, _)| *other != point);
        points.push((point, options));
    }
    let one = |(point, options): (&str, &str)| Fact {
        name: format!("mount {point}"),
        found: Ok(options.to_owned()),
    };
    points.into_iter().map(one).collect()
}

fn namespace_of(proc: &str, name: &str) -> Fact {
    let link = |process: &str| fs::read_link(Path::new(process).join("ns").join(name));
    let found = match (link(proc), link("/proc/self")) {
        (Ok(theirs), Ok(ours)) if theirs != ours => Ok("own".to_owned()),
        (Ok(_), Ok(_)) => Ok("the launcher's".to_owned()),
        (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
    };
    Fact { name: format!("namespace {name}"), found }
}

fn interfaces(proc: &str) -> Vec<Fact> {
    let text = match read(proc, "net/dev") {
        Ok(text) => text,
        Err(why) => return unreadable("interfaces", why),
    };
    // The first two lines are the table's head.
    let names = text.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
    names.map(|name| Fact { name: format!("interface {name}"), found: Ok("there".to_owned()) }).collect()
}

/// Soft and hard limit of each resource. proc_pid_limits(5).
fn limits(proc: &str) -> Vec<Fact> {
    let text = match read(proc, "limits") {
        Ok(text) => text,
        Err(why) => return unreadable("limits", why),
    };
    let one = |line: &str| {
        // The name has words of its own, and is followed by at least two spaces.
        let (name, rest) = line.split_once("  ")?;
        let mut values = rest.split_whitespace();
        let (soft, hard) = (values.next()?, values.next()?);
        Some(Fact { name: format!("limit {name}"), found: Ok(format!("{soft} {hard}")) })
    };
    text.lines().skip(1).filter_map(one).collect()
}

fn status(proc: &str) -> Vec<Fact> {
    let text = match read(proc, "status") {
        Ok(text) => text,
        Err(why) => return unreadable("status", why),
    };
    let one = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let words = value.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "));
        Fact { name: format!("status {name}"), found: words.ok_or_else(|| "no such line".to_owned()) }
    };
    STATUS.iter().map(|name| one(name)).collect()
}

/// What the kernel has as the quota of its uid, if the launcher has set one.
fn disk(loaded: &Loaded) -> Vec<Fact> {
    let (bytes, files) = match loaded.disk_in_force() {
        None => return Vec::new(),
        Some(Ok(limits)) => limits,
        Some(Err(why)) => return unreadable("disk limits", why),
    };
    let fact = |name: &str, value: u64| Fact { name: format!("disk {name}"), found: Ok(value.to_string()) };
    vec![fact("bytes", bytes), fact("files", files)]
}

/// What the kernel has as the limits of its cgroup, if it is in one of its own.
fn cgroup(subject: &Subject) -> Vec<Fact> {
    let limits = match subject.limits_in_force() {
        None => return Vec::new(),
        Some(Ok(limits)) => limits,
        Some(Err(error)) => return unreadable("cgroup limits", error.to_string()),
    };
    let fact = |name: &str, value: u64| Fact { name: format!("cgroup {name}"), found: Ok(value.to_string()) };
    vec![
        fact("memory_bytes", limits.memory_bytes),
        fact("cpu_percent", limits.cpu_percent),
        fact("cpu_weight", limits.cpu_weight),
        fact("tasks", limits.tasks),
    ]
}
