//! Claims about the whole answer, from facts as the launcher hands them over.

use super::*;

#[test]
fn a_time_is_a_number_with_a_unit_and_bounded() {
    let seconds = |text| time(text).map(|time| time.as_secs());
    assert_eq!(
        [seconds("90"), seconds("90s"), seconds("10m"), seconds("2h")],
        [Ok(90), Ok(90), Ok(600), Ok(7200)]
    );
    for wrong in
        ["", "s", "0s", "-1s", "1d", "1.5h", "745h", "99999999999999999999s", "18446744073709551615h"]
    {
        assert!(seconds(wrong).is_err(), "{wrong}");
    }
}

fn proposes_nothing_yet() -> Report {
    let system_calls =
        Calls { allowed: 0, used: Vec::new(), unseen: Vec::new(), kept: Vec::new(), refused: Vec::new() };
    Report {
        module: "a".to_owned(),
        watched_ms: 0,
        starts: 1,
        sessions: 1,
        ends: Vec::new(),
        capabilities: Vec::new(),
        publishes: Vec::new(),
        subscribed: BTreeSet::new(),
        system_calls,
        caveats: &CAVEATS,
        diffs: Vec::new(),
        by_hand: Vec::new(),
        proposes: false,
    }
}

/// A manifest's comments are its author's, and a diff shows those around what it changes.
#[test]
fn a_manifest_that_could_act_on_a_terminal_is_not_shown_as_a_diff() {
    for (comment, diffs) in
        [("# \tplain, \"ümlaut\", C:\\x", 1), ("# \u{9b}2J", 0), ("# \u{202e}", 0), ("# \u{1b}[2J", 0)]
    {
        let mut report = proposes_nothing_yet();
        let old = format!("{comment}\ncapabilities = [\"read_utxo\"]\n");
        let new = format!("{comment}\ncapabilities = []\n");
        report.propose(Path::new("module.toml"), &old, Some(new), || "capabilities = []".to_owned());
        assert_eq!((report.diffs.len(), report.by_hand.len()), (diffs, 1 - diffs), "{comment:?}");
        let shown = text::text(&report);
        assert!(!shown.contains(['\u{9b}', '\u{202e}', '\u{1b}']), "{shown:?}");
    }
    let mut report = proposes_nothing_yet();
    report.propose(Path::new("module.toml"), "# \u{9b}", Some("# \u{9b}".to_owned()), String::new);
    assert!(report.diffs.is_empty() && report.by_hand.is_empty(), "nothing differs");
}
