//! The corpus of every fuzzer, through the same functions, on any compiler. An input that once broke a claim is in the
//! corpus, and breaks this test if the claim breaks again.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot go on says so")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_fuzz_targets::TARGETS;

/// A fuzzer's folder.
fn fuzz() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in fuzz/")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let listed = fs::read_dir(directory).expect("the folder is there");
    listed.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// The inputs of a target.
fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = fuzz().join("corpus").join(target);
    names(&folder).into_iter().map(|name| folder.join(name)).collect()
}

/// A panic on any thread counts, as it does for a fuzzer; a server would catch one of its own and go on.
fn end_at_any_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

#[test]
fn every_claim_holds_for_every_input_of_the_corpus() {
    end_at_any_panic();
    for target in TARGETS {
        let inputs = corpus(target.name);
        assert!(inputs.len() >= 3, "{} has a corpus", target.name);
        for path in inputs {
            // Shown only when the test fails: which input did it.
            eprintln!("{}", path.display());
            (target.run)(&fs::read(path).expect("an input"));
        }
    }
}

#[test]
fn every_claim_holds_for_the_beginning_of_every_input() {
    end_at_any_panic();
    // Those without a disk or a socket behind them: there are many beginnings.
    let slow = ["audit_file", "audit_records", "files", "rpc", "rpc_http", "policy", "manifest", "sessions"];
    for target in TARGETS.iter().filter(|target| !slow.contains(&target.name)) {
        for path in corpus(target.name) {
            let input = fs::read(&path).expect("an input");
            eprintln!("{}", path.display());
            let step = input.len() / 100 + 1;
            (0..input.len()).step_by(step).for_each(|end| (target.run)(&input[..end]));
        }
    }
}

#[test]
fn every_target_has_a_fuzzer_and_a_corpus_and_there_are_no_others() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "no name twice");
    assert_eq!(names(&fuzz().join("corpus")), targets);
    let sources = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), sources);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the fuzzers' manifest");
    for name in &targets {
        assert!(
            manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
        let source = fs::read_to_string(fuzz().join("fuzz_targets").join(format!("{name}.rs")));
        assert!(
            source.expect("its source").contains(&format!("run(\"{name}\", input)")),
            "{name} fuzzes another"
        );
    }
}

#[test]
fn the_corpus_stays_small_enough_to_be_committed() {
    let paths = TARGETS.iter().flat_map(|target| corpus(target.name));
    let bytes: u64 = paths.map(|path| fs::metadata(path).expect("an input").len()).sum();
    assert!((1..300_000).contains(&bytes), "{bytes} bytes");
}
