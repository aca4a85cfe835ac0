//! A module that swaps what lies under a name, thousands of times while the host works there: it loses every race.
//!
//! Each race is also run against the standard library's path functions, which do get out: the module is fast enough.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

#[allow(dead_code, reason = "each test program uses its part")]
mod ground;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ground::{Ground, names};
use rustix::fs::{CWD, RenameFlags, renameat_with};

const ROUNDS: usize = 3000;

/// The control may take this many tries until it loses a race once.
const CONTROL_ROUNDS: usize = 1_000_000;

/// Runs `work` while another thread runs `swap` again and again.
fn race(swap: impl Fn() + Sync, work: impl FnOnce()) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                swap();
            }
        });
        // So that a test that fails ends, too.
        let _end = Finish(&done);
        work();
    });
}

struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

/// A ground whose `d`, a directory with the file `secret`, can be exchanged for `link`, which leads outside. The link is relative: absolute ones are
/// already refused by the rule about mounts, and here the others are tested, too.
fn swapping() -> Ground {
    let ground = Ground::new();
    fs::create_dir(ground.data("d")).unwrap();
    fs::write(ground.data("d/secret"), "inside").unwrap();
    symlink("../outside", ground.data("link")).unwrap();
    ground
}

#[test]
fn the_same_race_against_path_functions_is_won_by_the_module() {
    let ground = swapping();
    race(
        || exchange(&ground.data("d"), &ground.data("link")),
        || {
            let naive = || {
                let is_inside = fs::symlink_metadata(ground.data("d")).is_ok_and(|entry| entry.is_dir());
                is_inside && fs::read(ground.data("d/secret")).is_ok_and(|bytes| bytes == b"secret")
            };
            assert!((0..CONTROL_ROUNDS).any(|_| naive()), "control: the check and the use are not one");
        },
    );
}

#[test]
fn reads_never_see_what_lies_behind_a_link_that_is_swapped_in() {
    let ground = swapping();
    let directory = ground.open();
    let (mut inside, mut refused) = (0, 0);
    race(
        || exchange(&ground.data("d"), &ground.data("link")),
        || {
            for _ in 0..ROUNDS * 10 {
                match directory.read("d/secret", 0, 100) {
                    Ok(chunk) => {
                        assert_eq!(chunk.bytes, b"inside");
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        },
    );
    assert!(inside > 0 && refused > 0, "the race was run: {inside} inside, {refused} refused");
}

#[test]
fn writes_deletes_and_new_directories_never_reach_behind_a_link_that_is_swapped_in() {
    let ground = swapping();
    let directory = ground.open();
    let (mut done, mut refused) = (0, 0);
    race(
        || exchange(&ground.data("d"), &ground.data("link")),
        || {
            for round in 0..ROUNDS {
                let results = [
                    directory.write("d/written", b"mine"),
                    directory.create_directory(&format!("d/made{}", round % 10)),
                    directory.delete(&format!("d/made{}", (round + 5) % 10)),
                    directory.delete("d/secret"),
                ];
                done += results.iter().filter(|result| result.is_ok()).count();
                refused += results.iter().filter(|result| result.is_err()).count();
            }
        },
    );
    ground.outside_is_untouched();
    assert!(done > 0 && refused > 0, "the race was run: {done} done, {refused} refused");
}

#[test]
fn listings_and_looks_never_show_what_lies_behind_a_link_that_is_swapped_in() {
    let ground = swapping();
    fs::write(ground.data("d/own"), "inside").unwrap();
    fs::remove_file(ground.data("d/secret")).unwrap();
    let directory = ground.open();
    race(
        || exchange(&ground.data("d"), &ground.data("link")),
        || {
            for _ in 0..ROUNDS {
                if let Ok(page) = directory.list("d", None, 10) {
                    assert!(page.entries.iter().all(|entry| entry.name == "own"), "{page:?}");
                }
                assert!(directory.metadata("d/secret").is_err());
            }
        },
    );
}

#[test]
fn counting_and_sweeping_never_go_behind_a_link_that_is_swapped_in() {
    let ground = swapping();
    fs::write(ground.outside(".cofferdam-tmp-precious"), vec![b's'; 1024 * 1024]).unwrap();
    race(
        || exchange(&ground.data("d"), &ground.data("link")),
        || {
            for _ in 0..ROUNDS {
                let usage = ground.open().usage().unwrap();
                // The directory may be met under both names; what is outside under neither.
                assert!(usage.files <= 4 && usage.bytes < 1024 * 1024, "{usage:?}");
            }
        },
    );
    assert_eq!(names(&ground.outside("")), [".cofferdam-tmp-precious", "secret"]);
}

#[test]
fn a_file_that_is_swapped_for_a_link_is_never_followed() {
    let ground = Ground::new();
    fs::write(ground.data("f"), "inside").unwrap();
    symlink("../outside/secret", ground.data("link")).unwrap();
    let directory = ground.open();
    race(
        || exchange(&ground.data("f"), &ground.data("link")),
        || {
            for round in 0..ROUNDS {
                let read = directory.read("f", 0, 100);
                assert!(read.is_err() || read.unwrap().bytes == b"inside");
                if round % 8 == 0 {
                    directory.write("f", b"inside").unwrap();
                    let _taken = fs::remove_file(ground.data("spare"));
                    let _refused = symlink("../outside/secret", ground.data("spare"));
                    let _refused = fs::rename(ground.data("spare"), ground.data("link"));
                }
            }
        },
    );
    ground.outside_is_untouched();
}

#[test]
fn a_file_that_grows_and_shrinks_is_read_in_part_or_whole() {
    let ground = Ground::new();
    let file = fs::File::create(ground.data("f")).unwrap();
    let directory = ground.open();
    race(
        || {
            file.set_len(1 << 40).unwrap();
            file.set_len(0).unwrap();
            file.set_len(100).unwrap();
        },
        || {
            for _ in 0..ROUNDS {
                let chunk = directory.read("f", 10, 1000).unwrap();
                assert!(chunk.bytes.len() <= 1000 && chunk.bytes.iter().all(|byte| *byte == 0));
            }
        },
    );
}

#[test]
fn a_directory_that_somebody_moves_out_of_the_tree_takes_nothing_else_with_it() {
    let ground = Ground::new();
    fs::create_dir_all(ground.data("d/e")).unwrap();
    let directory = ground.open();
    race(
        || {
            fs::rename(ground.data("d"), ground.outside("d")).unwrap();
            fs::rename(ground.outside("d"), ground.data("d")).unwrap();
        },
        || {
            for _ in 0..ROUNDS {
                // May end up in `d` while it is outside, if `d` was inside when it was opened; never beside it.
                let _result = directory.write("d/e/f", b"mine");
                let _result = directory.write("d/f", b"mine");
                let _result = directory.delete("d/f");
                let _result = directory.create_directory("d/e/g");
                let _result = directory.delete("d/e/g");
            }
        },
    );
    assert_eq!(names(&ground.data("")), ["d"]);
    ground.outside_is_untouched();
}

#[test]
fn what_the_module_puts_in_place_of_an_unfinished_file_is_not_followed_and_is_gone_at_the_next_start() {
    let ground = Ground::new();
    fs::create_dir(ground.data("d")).unwrap();
    let directory = ground.open();
    race(
        || {
            for name in names_or_none(&ground.data("d")) {
                let _gone = fs::remove_file(ground.data("d").join(&name));
                let _taken = symlink("../../outside/secret", ground.data("d").join(&name));
            }
        },
        || {
            for _ in 0..ROUNDS / 10 {
                let _result = directory.write("d/f", b"mine");
                let read = directory.read("d/f", 0, 100);
                assert!(read.is_err() || read.unwrap().bytes == b"mine");
            }
        },
    );
    ground.outside_is_untouched();
    drop(directory);
    let _opened = ground.open();
    assert!(names(&ground.data("d")).iter().all(|name| name == "f"));
}

fn names_or_none(directory: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}
