//! The auditor's page: a profile as plain text, complete, with the reason of every rule. It is made from the
//! profile that is enforced and from nothing else that could differ from it; it decides nothing.

mod calls;
mod layout;

use crate::profile::{
    Access, CallLine, CoreLimits, Descriptor, Linkage, Network, Profile, Resource, RlimitRule, Subject,
};
use crate::tables::Tables;
use cofferdam_document::{escape, quote};
use cofferdam_manifest::{Capability, CapabilitySet, EventName};
use layout::Layout;
use serde::{Deserialize, Serialize};

/// The page of one profile. `calls` is the whole table of calls and `events` are the names of all event types;
/// the page picks what the profile grants.
#[must_use]
pub fn render(profile: &Profile, tables: &Tables, calls: &[CallLine], events: &[String]) -> String {
    let mut layout = Layout::default();
    header(&mut layout, profile);
    may_call(&mut layout, profile, tables, calls);
    may_hear(&mut layout, profile, events);
    files(&mut layout, profile);
    network(&mut layout, profile);
    programs(&mut layout, profile);
    calls::render(&mut layout, &profile.syscalls);
    limits(&mut layout, profile);
    privileges(&mut layout, profile);
    inherits(&mut layout, profile);
    weakened_by(&mut layout, profile);
    layout.finish()
}

/// The same facts for programs: the profile, the calls it may make and the events it may hear.
#[must_use]
pub fn render_json(profile: &Profile, calls: &[CallLine], events: &[String]) -> String {
    #[derive(Serialize)]
    struct Page<'p> {
        profile: &'p Profile,
        may_call: Vec<&'p CallLine>,
        may_hear: &'p [String],
    }
    let may_call = calls.iter().filter(|call| may_make(profile, call)).collect();
    let may_hear = if hears(profile) { events } else { &[] };
    #[expect(clippy::expect_used, reason = "all keys are text or numbers, and memory takes every write")]
    serde_json::to_string_pretty(&Page { profile, may_call, may_hear }).expect("a profile is plain data")
}

/// What the hash of a profile is taken of, where one is printed or recorded: the profile as [`render_json`] writes it,
/// without a call or an event, which are the core's and not the profile's.
#[must_use]
pub fn canonical(profile: &Profile) -> String {
    render_json(profile, &[], &[])
}

/// The profile in a page that [`render_json`] has made.
///
/// # Errors
/// What is wrong with the text, with line and column.
pub fn profile_of(json: &str) -> Result<Profile, String> {
    #[derive(Deserialize)]
    struct Page {
        profile: Profile,
    }
    serde_json::from_str(json).map(|page: Page| page.profile).map_err(|error| error.to_string())
}

fn hears(profile: &Profile) -> bool {
    profile.granted.contains(Capability::SubscribeEvents)
}

fn may_make(profile: &Profile, call: &CallLine) -> bool {
    match (&profile.subject, call.capability) {
        (Subject::Core, _) => false,
        (Subject::Module { .. }, None) => true,
        (Subject::Module { .. }, Some(capability)) => profile.granted.contains(capability),
    }
}

fn header(layout: &mut Layout, profile: &Profile) {
    let title = match &profile.subject {
        Subject::Module { name, version } => format!("MODULE {name} {version}"),
        Subject::Core => "THE HOST CORE".to_owned(),
    };
    layout.section(&title);
    layout.paragraph(
        2,
        "All that this program can do, derived from its manifest, the operator's config and policies/. \
         What is not on this page is not allowed.",
    );
    if !profile.weakened_by.is_empty() {
        layout.paragraph(2, "The operator accepts missing layers: see WEAKENED BY.");
    }
}

fn may_call(layout: &mut Layout, profile: &Profile, tables: &Tables, calls: &[CallLine]) {
    layout.section("MAY CALL");
    if profile.subject == Subject::Core {
        return layout.paragraph(
            2,
            "nothing: it answers the calls of modules, each within what that module was granted",
        );
    }
    for capability in &profile.granted {
        layout.line(2, capability.as_str());
        layout.hanging(4, "does", 10, capability.summary());
        if let Some(note) = tables.note(capability) {
            layout.hanging(4, "risk", 10, &note.risk);
        }
        call_lines(layout, calls, Some(capability));
        if capability == Capability::PublishEvents {
            let names: Vec<&str> = profile.publishes.iter().map(EventName::as_str).collect();
            let names = if names.is_empty() { "no event type".to_owned() } else { names.join(", ") };
            layout.hanging(4, "publishes", 14, &names);
        }
    }
    if calls.iter().any(|call| call.capability.is_none()) {
        layout.line(2, "without any capability");
        call_lines(layout, calls, None);
    }
    withheld(layout, &profile.withheld, calls);
}

fn call_lines(layout: &mut Layout, calls: &[CallLine], capability: Option<Capability>) {
    for call in calls.iter().filter(|call| call.capability == capability) {
        layout.hanging(4, &escape(&call.name), 30, &escape(&call.summary));
    }
}

fn withheld(layout: &mut Layout, withheld: &CapabilitySet, calls: &[CallLine]) {
    if withheld.is_empty() {
        return;
    }
    layout.line(0, "");
    layout.line(2, "declared, but withheld by the operator:");
    for capability in withheld {
        let names: Vec<String> = calls
            .iter()
            .filter(|call| call.capability == Some(capability))
            .map(|call| escape(&call.name))
            .collect();
        let calls = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        layout.hanging(4, capability.as_str(), 30, &format!("{}{calls}", capability.summary()));
    }
}

fn may_hear(layout: &mut Layout, profile: &Profile, events: &[String]) {
    layout.section("MAY HEAR");
    match (&profile.subject, hears(profile)) {
        (Subject::Core, _) => {
            layout.paragraph(2, "the events of the node and of every module, which it passes on")
        }
        (Subject::Module { .. }, false) => layout.paragraph(2, "nothing: subscribe_events is not granted"),
        (Subject::Module { .. }, true) => {
            let names: Vec<String> = events.iter().map(|event| escape(event)).collect();
            let names = if names.is_empty() { "no event type exists".to_owned() } else { names.join(", ") };
            layout.paragraph(2, &names);
        }
    }
}

fn files(layout: &mut Layout, profile: &Profile) {
    layout.section("FILES");
    for rule in profile.directories() {
        let access = match rule.access {
            Access::ReadWrite => "read, write, create, remove, rename; nothing in it can be executed",
            Access::Read => "read; nothing in it can be written or executed",
            Access::ReadExecute => "read and execute; nothing in it can be written",
        };
        layout.hanging(2, &rule.inside, 14, access);
        layout.paragraph(14, &rule.why);
        if profile.shares_files() && rule == &profile.data {
            layout.paragraph(14, "the core reads and writes here too, when this module asks it to");
        }
    }
    layout.paragraph(2, "No other file exists inside: no /proc, /sys, /dev, /etc, /home or /tmp.");
}

fn network(layout: &mut Layout, profile: &Profile) {
    layout.section("NETWORK");
    match &profile.network {
        Network::None { why } => layout.hanging(2, "none", 14, why),
        Network::Host { connect_ports, why } => {
            let ports: Vec<String> = connect_ports.iter().map(u16::to_string).collect();
            let ports =
                if ports.is_empty() { "no port".to_owned() } else { format!("port {}", ports.join(", ")) };
            layout.hanging(2, "TCP", 14, &format!("connect to {ports} of any host; never listen"));
            layout.paragraph(14, why);
        }
    }
    if let Some(interface) = &profile.interface {
        let accepts = match interface.address.port() {
            0 => format!(
                "connections to {}, on a port that the kernel chooses at each start",
                interface.address.ip()
            ),
            _ => format!("connections to {}", interface.address),
        };
        layout.hanging(2, "accepts", 14, &accepts);
        layout.paragraph(14, &interface.why);
    }
}

fn programs(layout: &mut Layout, profile: &Profile) {
    layout.section("PROGRAMS");
    let text = match profile.linkage {
        Linkage::Static => {
            "its own, linked statically and started once from a sealed copy in memory; no file can be executed"
        }
        Linkage::Dynamic => {
            "its own, linked dynamically and started once by its descriptor; its loader and libraries are the \
             host's, from the directories above; it can start no process"
        }
    };
    layout.paragraph(2, text);
}

fn limits(layout: &mut Layout, profile: &Profile) {
    layout.section("LIMITS");
    let limits = &profile.limits;
    let memory = format!("{}, no swap", bytes(limits.memory_bytes.value));
    let processor = format!("{} % of one core", limits.cpu_percent.value);
    let tasks = format!("{} threads", limits.tasks.value);
    limit(layout, "memory", &memory, &limits.memory_bytes.why);
    limit(layout, "processor", &processor, &limits.cpu_percent.why);
    limit(layout, "weight", &limits.cpu_weight.value.to_string(), &limits.cpu_weight.why);
    limit(layout, "tasks", &tasks, &limits.tasks.why);
    if let Some(disk) = &limits.disk {
        limit(layout, "disk", &bytes(disk.bytes.value), &disk.bytes.why);
        limit(layout, "", &format!("{} files", disk.files.value), &disk.files.why);
    }
    for rule in &profile.rlimits {
        let (name, value) = resource(rule);
        limit(layout, name, &value, &rule.why);
    }
    if let Some(core) = &profile.core_limits {
        core_limits(layout, core);
    }
}

fn core_limits(layout: &mut Layout, limits: &CoreLimits) {
    layout.line(2, "of the core:");
    let rate = format!("{} a second", limits.calls_per_second.value);
    limit(layout, "calls", &rate, &limits.calls_per_second.why);
    limit(layout, "at once", &limits.call_burst.value.to_string(), &limits.call_burst.why);
    limit(layout, "database", &bytes(limits.storage_bytes.value), &limits.storage_bytes.why);
    limit(layout, "", &format!("{} keys", limits.storage_keys.value), &limits.storage_keys.why);
    limit(layout, "files", &bytes(limits.file_bytes.value), &limits.file_bytes.why);
    limit(layout, "", &format!("{} files", limits.file_count.value), &limits.file_count.why);
}

fn limit(layout: &mut Layout, name: &str, value: &str, why: &str) {
    layout.hanging(2, &format!("{name:<12}{value}"), 36, why);
}

fn resource(rule: &RlimitRule) -> (&'static str, String) {
    let value = rule.value;
    match rule.resource {
        Resource::Nofile => ("descriptors", value.to_string()),
        Resource::Core => ("core dump", bytes(value)),
        Resource::Fsize => ("file size", bytes(value)),
        Resource::Memlock => ("locked", bytes(value)),
        Resource::Msgqueue => ("messages", bytes(value)),
        Resource::Sigpending => ("signals", format!("{value} queued")),
        Resource::Nice => ("nice", value.to_string()),
        Resource::Rtprio => ("realtime", value.to_string()),
        Resource::Nproc => ("threads", value.to_string()),
    }
}

/// A size in the largest unit that divides it.
fn bytes(value: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fitting = UNITS.iter().find(|(unit, _)| value > 0 && value.is_multiple_of(*unit));
    match fitting {
        Some((unit, name)) => format!("{} {name}", value.checked_div(*unit).unwrap_or(value)),
        None if value == 1 => "1 byte".to_owned(),
        None => format!("{value} bytes"),
    }
}

fn privileges(layout: &mut Layout, profile: &Profile) {
    layout.section("PRIVILEGES");
    layout
        .paragraph(2, "No Linux capabilities, and no program it could start would gain any (no_new_privs).");
    layout.paragraph(2, "An unprivileged user inside, which is an unprivileged user of the host outside.");
    layout.line(2, "Namespaces of its own:");
    for rule in &profile.namespaces {
        layout.hanging(4, rule.namespace.as_str(), 14, &rule.why);
    }
}

fn inherits(layout: &mut Layout, profile: &Profile) {
    layout.section("INHERITS");
    layout.line(2, "descriptors:");
    for rule in &profile.descriptors {
        let what = match rule.what {
            Descriptor::Null => "/dev/null",
            Descriptor::Log => "log",
            Descriptor::Ipc => "core",
            Descriptor::Control => "launcher",
        };
        layout.hanging(4, &format!("{} {what}", rule.number), 18, &rule.why);
    }
    layout.line(2, "environment:");
    if profile.environment.is_empty() {
        layout.line(4, "nothing");
    }
    for rule in &profile.environment {
        layout.hanging(4, &format!("{}={}", escape(&rule.name), quote(&rule.value)), 18, &rule.why);
    }
    let arguments: Vec<String> = profile.arguments.iter().map(|argument| escape(argument)).collect();
    let arguments = if arguments.is_empty() { "nothing".to_owned() } else { arguments.join(" ") };
    layout.line(2, "arguments:");
    layout.paragraph(4, &arguments);
}

fn weakened_by(layout: &mut Layout, profile: &Profile) {
    layout.section("WEAKENED BY");
    if profile.weakened_by.is_empty() {
        layout.line(2, "nothing");
    }
    for weakening in &profile.weakened_by {
        layout.hanging(
            2,
            &escape(&weakening.layer),
            30,
            &format!("may be missing: {}", escape(&weakening.consequence)),
        );
    }
}

#[cfg(test)]
mod tests;
