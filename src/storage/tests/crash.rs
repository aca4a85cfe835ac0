//! SIGKILL at random points: what was acknowledged is there, and nothing is half there. Never tests power loss: the page
//! cache survives a kill.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_storage::{Quota, Store};

const QUOTA: Quota = Quota { bytes: 1 << 30, keys: 1 << 20, trees: 4 };
/// By then something hangs: half a minute is usual.
const DEADLINE: Duration = Duration::from_secs(300);

/// The highest number that was acknowledged for each thread and slot.
type Acknowledged = BTreeMap<(u64, u64), u64>;

/// Runs a writer, kills it, and notes what it had acknowledged. Every fourth is killed while it opens the store or soon
/// after, the others while they write.
fn run(dir: &Path, honesty: &str, round: u64, acknowledged: &mut Acknowledged) {
    let mut writer = Command::new(env!("CARGO_BIN_EXE_storage-crash-writer"));
    writer.arg(dir).arg(honesty).arg(round.to_string());
    let mut child = writer.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut text = String::new();
    if !round.is_multiple_of(4) {
        let mut first = [0];
        stdout.read_exact(&mut first).unwrap();
        text.push(char::from(first[0]));
    }
    // The pipe is read while the writer runs: full, it would stop it.
    let reader = std::thread::spawn(move || stdout.read_to_string(&mut text).map(|_| text));
    std::thread::sleep(delay(round));
    assert!(child.try_wait().unwrap().is_none(), "the writer ended by itself in round {round}");
    child.kill().unwrap();
    child.wait().unwrap();
    for line in reader.join().unwrap().unwrap().lines() {
        let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let [thread, slot, number] = numbers[..] else { panic!("{line}") };
        acknowledged.insert((thread, slot), number);
    }
}

/// What is wrong with the store in `dir`.
fn faults(dir: &Path, acknowledged: &Acknowledged) -> Vec<String> {
    let store = Store::open(dir, QUOTA).unwrap();
    let tree = store.open_tree("tree").unwrap();
    let page = store.page(tree, None, None, usize::MAX, usize::MAX).unwrap();
    let mut slots: BTreeMap<(u64, u64), Vec<u64>> = BTreeMap::new();
    for (key, value) in page.entries {
        let key = String::from_utf8(key).unwrap();
        let numbers: Vec<u64> = key.split(' ').map(|number| number.parse().unwrap()).collect();
        let number = u64::from_be_bytes(value[..8].try_into().unwrap());
        assert!(value[8..].iter().all(|byte| *byte == value[7]), "{key} has the value of several writes");
        slots.entry((numbers[0], numbers[1])).or_default().push(number);
    }
    let mut faults = Vec::new();
    for ((thread, slot), numbers) in &slots {
        let parts = if *slot < 3 { 8 } else { 1 };
        if numbers.len() != parts || numbers.iter().any(|number| *number != numbers[0]) {
            faults.push(format!("batch of thread {thread} slot {slot} is torn: {numbers:x?}"));
        }
    }
    for (place, number) in acknowledged {
        let found = slots.get(place).map_or(0, |numbers| numbers[0]);
        if found < *number {
            faults.push(format!("acknowledged {number:x} of {place:?}, found {found:x}"));
        }
    }
    faults
}

/// Another one each time, spread evenly.
fn delay(round: u64) -> Duration {
    let longest_micros = if round.is_multiple_of(4) { 200_000 } else { 40_000 };
    Duration::from_micros(round.wrapping_mul(48_271) % longest_micros)
}

/// Kills `kills` writers in turn on one store; the faults found after each, and how many writes were acknowledged.
fn kill_often(honesty: &str, kills: u64) -> (Vec<String>, usize) {
    let dir = tempfile::tempdir_in(memory_or_disk()).unwrap();
    let mut acknowledged = Acknowledged::new();
    let mut rounds_with_writes = 0;
    let started = Instant::now();
    let mut found = Vec::new();
    for round in 1..=kills {
        let before = acknowledged.clone();
        run(dir.path(), honesty, round, &mut acknowledged);
        rounds_with_writes += usize::from(before != acknowledged);
        found = faults(dir.path(), &acknowledged);
        assert!(started.elapsed() < DEADLINE, "{round} rounds only");
        if !found.is_empty() {
            break;
        }
    }
    (found, rounds_with_writes)
}

/// In memory if there is such a place: SIGKILL does not ask where the files are, and the disk is slow.
fn memory_or_disk() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

#[test]
fn every_acknowledged_write_survives_sigkill_and_no_batch_is_torn() {
    let halves: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..2).map(|_| scope.spawn(|| kill_often("honest", 100))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for (found, rounds_with_writes) in halves {
        assert_eq!(found, Vec::<String>::new());
        assert!(rounds_with_writes >= 70, "most were killed before they wrote: {rounds_with_writes}");
    }
}

#[test]
fn the_checker_sees_a_write_that_was_acknowledged_too_early() {
    let (found, _) = kill_often("early", 100);
    assert!(found.iter().any(|fault| fault.starts_with("acknowledged")), "{found:?}");
}

#[test]
fn the_checker_sees_a_batch_that_is_not_written_at_once() {
    let (found, _) = kill_often("torn", 100);
    assert!(found.iter().any(|fault| fault.contains("torn")), "{found:?}");
}
