//! Processes as /proc shows them.

use std::fs;

use nix::unistd::Pid;

/// One process of /proc.
#[derive(Debug)]
pub struct Process {
    pub pid: Pid,
    pub parent: Pid,
    pub state: char,
}

/// Every process that can be seen. proc_pid_stat(5)
pub fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    let numbers = entries.filter_map(|name| name.to_str()?.parse::<i32>().ok());
    numbers.filter_map(|pid| process(Pid::from_raw(pid))).collect()
}

fn process(pid: Pid) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    let parent = Pid::from_raw(fields.next()?.parse().ok()?);
    Some(Process { pid, parent, state })
}

pub fn is_alive(pid: Pid) -> bool {
    process(pid).is_some()
}
