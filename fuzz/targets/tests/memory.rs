//! What a frame's reader takes of memory is bounded by what it was sent, whatever lengths are claimed in it. One test: the
//! counter counts the whole process.

#![allow(clippy::expect_used, reason = "a test that cannot go on says so")]

use std::alloc::System;
use std::fs;
use std::path::Path;

use cofferdam_protocol::{FrameDecoder, HostMessage, ModuleMessage, decode, decode_request};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many bytes may be allocated, all together, for each byte of the input: elements in memory are larger than on the
/// wire, and a list that grows is copied.
const FACTOR: usize = 32;

/// And besides: the text of an error, the first step of a buffer.
const BESIDES: usize = 16 * 1024;

/// The most bytes that a reader of messages allocates for this input.
fn allocated(read: impl FnOnce()) -> usize {
    let region = Region::new(COUNTED);
    read();
    let change = region.change();
    change.bytes_allocated + usize::try_from(change.bytes_reallocated.max(0)).expect("not negative")
}

fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let listed = fs::read_dir(folder).expect("the corpus is there");
    let paths = listed.map(|entry| entry.expect("an entry").path());
    paths.map(|path| (path.display().to_string(), fs::read(&path).expect("an input"))).collect()
}

#[test]
fn a_reader_allocates_a_small_multiple_of_what_it_was_sent() {
    let control = allocated(|| drop(std::hint::black_box(vec![0_u8; 1 << 20])));
    assert!(control >= 1 << 20, "what is allocated is counted");

    let check = |name: &str, input: &[u8], read: fn(&[u8])| {
        let taken = allocated(|| read(input));
        assert!(taken <= FACTOR * input.len() + BESIDES, "{name}: {taken} bytes for {}", input.len());
    };
    let to_host: fn(&[u8]) = |body| drop(decode_request(body));
    let to_module: fn(&[u8]) = |body| drop(decode::<ModuleMessage>(body));
    let frames: fn(&[u8]) = |mut stream| {
        let mut decoder = FrameDecoder::for_messages::<HostMessage>();
        while let Ok(Some(_)) = decoder.next_frame(&mut stream) {}
    };
    for (target, read) in [("to_host", to_host), ("to_module", to_module), ("frames", frames)] {
        for (name, input) in inputs(target) {
            check(&name, &input, read);
            // Every place in turn claims to be a length larger than anything.
            for at in 0..input.len().saturating_sub(8).min(512) {
                let mut bomb = input.clone();
                if let Some(place) = bomb.get_mut(at..at + 8) {
                    place.copy_from_slice(&(1_u64 << 40).to_le_bytes());
                }
                check(&name, &bomb, read);
                if let Some(place) = bomb.get_mut(at..at + 8) {
                    place.copy_from_slice(&[0x00, 0xff, 0xff, 0x00, 0, 0, 0, 0]);
                }
                check(&name, &bomb, read);
            }
        }
    }
}
