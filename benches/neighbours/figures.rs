//! Times by turns, their spread, and how they compare.

/// How many times as long it may take as beside a module that is quiet.
const MOST: f64 = 1.2;

const PERCENTILES: [usize; 3] = [50, 90, 99];

/// One thing that was timed: when it began and how long it took, in nanoseconds of the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) began_ns: i64,
    pub(crate) took_ns: i64,
}

/// What was timed in the turns of the bad neighbour, and what in those in which it was quiet.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) worst: Vec<i64>,
    pub(crate) quiet: Vec<i64>,
}

/// What one scene gave.
#[derive(Debug)]
pub(crate) struct Played {
    /// A second module's small calls.
    pub(crate) calls: Compared,
    /// The core's answers to the operator.
    pub(crate) answers: Compared,
    /// What shows that the bad neighbour did what it is said to do.
    pub(crate) done: String,
}

/// At which part of the sorted times.
fn at(times: &[i64], percent: usize) -> i64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

impl Compared {
    /// The ratio of the worst turns to the quiet ones, at this percentile.
    pub(crate) fn ratio(&self, percent: usize) -> f64 {
        at(&self.worst, percent) as f64 / at(&self.quiet, percent) as f64
    }
}

pub(crate) fn head() {
    println!(
        "{:<44} {:>7} {:>7} {:>7} us {:>6} {:>6} {:>6} x idle",
        "beside a module that, in turns,", "p50", "p90", "p99", "p50", "p90", "p99"
    );
}

/// A row for the call and one for the core.
pub(crate) fn rows(what: &str, played: &Played) {
    println!("{what} ({})", played.done);
    for (name, compared) in [("a module's call", &played.calls), ("the core's answer", &played.answers)] {
        let [p50, p90, p99] = PERCENTILES.map(|percent| at(&compared.worst, percent) as f64 / 1000.0);
        let ratios = PERCENTILES.map(|percent| compared.ratio(percent));
        println!(
            "  {name:<42} {p50:>7.0} {p90:>7.0} {p99:>7.0}    {:>6.2} {:>6.2} {:>6.2}  {} ({} and {} times)",
            ratios[0],
            ratios[1],
            ratios[2],
            verdict(ratios),
            compared.worst.len(),
            compared.quiet.len(),
        );
    }
}

/// Up to which percentile it holds.
fn verdict(ratios: [f64; 3]) -> String {
    match PERCENTILES.iter().zip(ratios).find(|(_, ratio)| *ratio > MOST) {
        None => format!("within {MOST}"),
        Some((percent, _)) => format!("over {MOST} from p{percent}"),
    }
}
