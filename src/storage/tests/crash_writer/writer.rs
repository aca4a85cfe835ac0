//! Writes to a store until it is killed, and prints each write when it is acknowledged. Never ends by itself but with an
//! error.
//!
//! Usage: DIR HONESTY ROUND. Four threads; each writes batches of 8 keys and single keys in turn, into 5 slots of its own,
//! over and over, with ever higher numbers. `thread slot number` on standard output acknowledges that the 8 keys, or the
//! one, of this slot now hold this number. Dishonest writers are the tests' control: `early` acknowledges first, `torn`
//! writes a batch one key at a time.

use std::io::Write as _;
use std::path::Path;

use cofferdam_storage::{Operation, Quota, StorageError, Store, TreeId};

const QUOTA: Quota = Quota { bytes: 1 << 30, keys: 1 << 20, trees: 4 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Honesty {
    Honest,
    Early,
    Torn,
}

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, dir, honesty, round] = &arguments[..] else {
        return Err("usage: storage-crash-writer DIR honest|early|torn ROUND".to_owned());
    };
    let honesty = match honesty.as_str() {
        "honest" => Honesty::Honest,
        "early" => Honesty::Early,
        "torn" => Honesty::Torn,
        other => return Err(format!("{other}: not one of honest, early, torn")),
    };
    let round: u64 = round.parse().map_err(|error| format!("{round}: {error}"))?;
    write(Path::new(dir), honesty, round).map_err(|error| error.to_string())
}

fn write(dir: &Path, honesty: Honesty, round: u64) -> Result<(), StorageError> {
    let store = Store::open(dir, QUOTA)?;
    let tree = store.open_tree("tree")?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let store = store.clone();
                scope.spawn(move || write_slots(&store, tree, thread, honesty, round << 32))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })
}

fn write_slots(
    store: &Store,
    tree: TreeId,
    thread: u64,
    honesty: Honesty,
    first: u64,
) -> Result<(), StorageError> {
    for number in first.. {
        let slot = number % 5;
        if honesty == Honesty::Early {
            acknowledge(thread, slot, number);
        }
        let keys = if slot < 3 { 8 } else { 1 };
        let operations: Vec<_> = (0..keys).map(|part| operation(thread, slot, part, number)).collect();
        if honesty == Honesty::Torn {
            operations
                .iter()
                .try_for_each(|operation| store.transaction(tree, std::slice::from_ref(operation)))?;
        } else {
            store.transaction(tree, &operations)?;
        }
        if honesty != Honesty::Early {
            acknowledge(thread, slot, number);
        }
    }
    Ok(())
}

fn operation(thread: u64, slot: u64, part: u64, number: u64) -> Operation {
    let key = format!("{thread} {slot} {part}").into_bytes();
    // Now and then a value that is cut into chunks.
    let filling = if number.is_multiple_of(7) && part < 2 { 40_000 } else { 100 };
    let value = [&number.to_be_bytes()[..], &vec![number.to_be_bytes()[7]; filling]].concat();
    Operation::Insert { key, value }
}

/// One write, so that a line is whole or not there.
fn acknowledge(thread: u64, slot: u64, number: u64) {
    // The reader has gone only when the test has ended.
    let _ = std::io::stdout().write_all(format!("{thread} {slot} {number}\n").as_bytes());
}
