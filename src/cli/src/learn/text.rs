//! The report of `cofferdam learn` for people: what was used and what was not, and then the diffs, as `patch` takes them.

use std::collections::BTreeMap;

use super::Report;
use super::judge::{Calls, CapabilityLine, EventLine, Made, State, Unseen};
use cofferdam_policy::escape;

/// How wide a list of names is.
const WIDTH: usize = 96;

pub(super) fn text(report: &Report) -> String {
    let mut text = head(report);
    text.push_str("\nASKS OF THE CORE\n");
    report.capabilities.iter().for_each(|line| text.push_str(&capability(line)));
    if !report.publishes.is_empty() {
        text.push_str("\nPUBLISHES\n");
        report.publishes.iter().for_each(|line| text.push_str(&event(line)));
    }
    if !report.subscribed.is_empty() {
        let names: Vec<String> = report.subscribed.iter().map(|name| (*name).to_owned()).collect();
        text.push_str(&format!("\nHEARS\n{}", list(&names, 4)));
    }
    text.push_str(&calls(report));
    text.push_str("\nWHAT THIS DOES NOT SHOW\n");
    report.caveats.iter().for_each(|caveat| text.push_str(&format!("    {caveat}\n")));
    for diff in &report.diffs {
        text.push_str(&format!("\n{}", diff.diff));
    }
    for words in &report.by_hand {
        text.push_str(&format!("\nto be written by hand: {}\n", escape(words)));
    }
    text.push_str(if report.proposes {
        "\nlearn: this is a proposal; nothing was changed (`patch -p0` applies it)\n"
    } else {
        "\nlearn: nothing is proposed\n"
    });
    text
}

fn head(report: &Report) -> String {
    let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0, u64::saturating_add);
    let made = sum(&mut report.system_calls.used.iter().map(|call| call.times));
    let asked = sum(&mut report.capabilities.iter().flat_map(|line| line.calls.values().copied()));
    let mut text = format!(
        "{} was watched for {} s: {}, {}, {}, {} of the node API that a capability allows\n",
        report.module,
        report.watched_ms.saturating_add(500) / 1000,
        counted(report.starts, "start"),
        counted(report.sessions, "session"),
        counted(made, "system call"),
        counted(asked, "call"),
    );
    for end in &report.ends {
        text.push_str(&format!("its end: {}\n", escape(end)));
    }
    text
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn mark(state: State) -> char {
    match state {
        State::Used => ' ',
        State::Unused => '-',
        State::Wanted => '+',
        State::Withheld => '!',
    }
}

fn capability(line: &CapabilityLine) -> String {
    let times = line.calls.values().copied().fold(0, u64::saturating_add);
    let calls: Vec<String> = line.calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let calls = calls.join(", ");
    let told = match line.state {
        State::Used => calls,
        State::Unused => "declared, and never used".to_owned(),
        State::Wanted => format!("not declared, and refused {}: {calls}", counted(times, "time")),
        State::Withheld => {
            format!("withheld by the operator, which stays; refused {}: {calls}", counted(times, "time"))
        }
    };
    let mut text = format!("  {} {:<22}{told}\n", mark(line.state), line.capability);
    if let Some(risk) = &line.risk {
        text.push_str(&format!("    {:<22}risk: {risk}\n", ""));
    }
    text
}

fn event(line: &EventLine) -> String {
    let times = counted(line.times, "time");
    let told = match line.state {
        State::Used => times,
        State::Unused => "declared, and never published".to_owned(),
        State::Wanted => format!("not declared, and refused {times}"),
        State::Withheld => format!("withheld by the operator, which stays; refused {times}"),
    };
    format!("  {} {:<22}{told}\n", mark(line.state), line.event)
}

fn calls(report: &Report) -> String {
    let Calls { allowed, used, unseen, kept, refused } = &report.system_calls;
    let mut text = format!("\nSYSTEM CALLS: {} of {allowed} that it may make\n", used.len());
    text.push_str(&list(&used.iter().map(made).collect::<Vec<_>>(), 4));
    text.push_str(&grouped("kept though not seen", ' ', kept));
    text.push_str(&grouped("never made", '-', unseen));
    if !refused.is_empty() {
        text.push_str(&format!("    refused, as to every module (`cofferdam why {}`)\n", report.module));
        text.push_str(&list(&refused.iter().map(made).collect::<Vec<_>>(), 6));
    }
    text
}

fn made(call: &Made) -> String {
    format!("{} {}", call.name, call.times)
}

/// Calls with the same reason are told together.
fn grouped(title: &str, mark: char, calls: &[Unseen]) -> String {
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for call in calls {
        by_reason.entry(&call.why).or_default().push(call.name.clone());
    }
    if by_reason.is_empty() {
        return String::new();
    }
    let mut text = format!("    {title}\n");
    for (why, names) in by_reason {
        text.push_str(&format!("  {mark}   {}\n          {}\n", names.join(", "), escape(why)));
    }
    text
}

/// Names in lines of a width that terminals have.
fn list(names: &[String], indent: usize) -> String {
    let mut text = String::new();
    let mut line = String::new();
    for name in names {
        if !line.is_empty() && line.len() + 2 + name.len() > WIDTH {
            text.push_str(&format!("{:indent$}{line},\n", ""));
            line.clear();
        }
        let gap = if line.is_empty() { "" } else { ", " };
        line.push_str(&format!("{gap}{name}"));
    }
    if line.is_empty() { text } else { text + &format!("{:indent$}{line}\n", "") }
}
