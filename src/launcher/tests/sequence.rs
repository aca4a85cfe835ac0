//! docs/launch-sequence.md lists the steps that the child takes, in its order.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use cofferdam_launcher::Step;

const DOCUMENT: &str = include_str!("../../../docs/launch-sequence.md");

/// The step of a table row: the second cell of a row whose first is a number.
fn listed() -> Vec<String> {
    let rows = DOCUMENT.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        cells.next()?.parse::<u32>().ok()?;
        Some(cells.next()?.to_owned())
    });
    rows.collect()
}

#[test]
fn the_documented_sequence_is_the_one_the_child_takes() {
    let steps: Vec<_> = Step::ALL.iter().map(|step| step.as_str().to_owned()).collect();
    assert_eq!(listed(), steps);
}

#[test]
fn every_step_says_what_to_do_when_it_fails() {
    for step in Step::ALL {
        assert!(step.remedy().len() > 20, "{step:?}");
    }
}
