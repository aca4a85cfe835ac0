//! Compares two system call policies by what they decide. The conditions of both cut the arguments of a call into
//! cells; one point of each cell is decided by both, and every pair of clauses that decide differently is a
//! difference.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Direction, Section};
use crate::profile::{Condition, Errno, SyscallPolicy, SyscallRules, Verdict};

/// How many points of one call are decided. The policies of this project need some hundred.
const MAX_POINTS: usize = 100_000;

/// Values that two conditions on one argument may need together are tried for as many conditions as this.
const MAX_PAIRED: usize = 40;

pub(super) fn compare(old: &SyscallPolicy, new: &SyscallPolicy) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.otherwise != new.otherwise {
        changes.push(change("every call that no rule names".to_owned(), old.otherwise, new.otherwise));
    }
    for number in old.rules.keys().chain(new.rules.keys()).collect::<BTreeSet<_>>() {
        let sides = Sides { number: *number, policies: [old, new] };
        changes.extend(sides.compare());
    }
    changes
}

fn change(what: String, old: Verdict, new: Verdict) -> Change {
    let direction = match rank(new).cmp(&rank(old)) {
        std::cmp::Ordering::Greater => Direction::More,
        std::cmp::Ordering::Less => Direction::Less,
        std::cmp::Ordering::Equal => Direction::Neither,
    };
    Change { section: Section::SystemCalls, what, old: Some(words(old)), new: Some(words(new)), direction }
}

/// How much a verdict lets through: a program that is killed can do less than one that goes on.
const fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Kill => 0,
        Verdict::Refuse(_) | Verdict::Quiet(_) => 1,
        Verdict::Allow => 2,
    }
}

fn words(verdict: Verdict) -> String {
    let named = |errno: Errno| errno.as_str();
    match verdict {
        Verdict::Allow => "allowed".to_owned(),
        Verdict::Quiet(errno) => format!("fails with {}", named(errno)),
        Verdict::Refuse(errno) => format!("fails with {} and is logged", named(errno)),
        Verdict::Kill => "kills".to_owned(),
    }
}

/// One call under two policies.
struct Sides<'p> {
    number: u32,
    policies: [&'p SyscallPolicy; 2],
}

impl Sides<'_> {
    fn rules(&self) -> [Option<&SyscallRules>; 2] {
        self.policies.map(|policy| policy.rules.get(&self.number))
    }

    fn name(&self) -> &str {
        let [old, new] = self.rules();
        old.or(new).map_or("", |rules| rules.name.as_str())
    }

    fn compare(&self) -> Vec<Change> {
        if self.say_the_same() {
            return Vec::new();
        }
        let clauses = self.rules().into_iter().flatten().flat_map(|rules| &rules.clauses);
        let Some(points) = points(clauses.map(|clause| tests_of(&clause.when))) else {
            // What cannot be compared is not called harmless.
            let changed =
                |direction| self.without_verdicts("rules with too many conditions to compare", direction);
            return vec![changed(Direction::More), changed(Direction::Less)];
        };
        let mut seen = BTreeSet::new();
        let mut changes = Vec::new();
        for point in points {
            let [(old, by), (new, by_too)] = self.policies.map(|policy| self.decide(policy, &point));
            if old != new && seen.insert((by, by_too)) {
                changes.push(change(self.described(by, by_too), old, new));
            }
        }
        if changes.is_empty() {
            changes.push(self.without_verdicts("other rules that decide the same", Direction::Neither));
        }
        changes
    }

    fn without_verdicts(&self, text: &str, direction: Direction) -> Change {
        let said = Some(text.to_owned());
        Change {
            section: Section::SystemCalls,
            what: self.name().to_owned(),
            old: said.clone(),
            new: said,
            direction,
        }
    }

    /// Whether the clauses are the same but for their reasons.
    fn say_the_same(&self) -> bool {
        let meaning = |rules: &SyscallRules| -> Vec<_> {
            let of = |condition: &Condition| (condition.argument, condition.mask, condition.value);
            rules
                .clauses
                .iter()
                .map(|clause| (clause.when.iter().map(of).collect::<Vec<_>>(), clause.verdict))
                .collect()
        };
        let [old, new] = self.rules().map(|rules| rules.map(meaning));
        old == new && (old.is_some() || self.policies[0].otherwise == self.policies[1].otherwise)
    }

    /// The verdict, and the position of the clause that gives it.
    fn decide(&self, policy: &SyscallPolicy, point: &[u64; 6]) -> (Verdict, Option<usize>) {
        let clauses = policy.rules.get(&self.number).map_or(&[][..], |rules| rules.clauses.as_slice());
        match clauses.iter().position(|clause| clause.applies(point)) {
            Some(at) => (clauses.get(at).map_or(policy.otherwise, |clause| clause.verdict), Some(at)),
            None => (policy.otherwise, None),
        }
    }

    /// The call with the conditions under which the two clauses decide.
    fn described(&self, old: Option<usize>, new: Option<usize>) -> String {
        let [before, after] = self.rules();
        let conditions: BTreeSet<&str> = [(before, old), (after, new)]
            .into_iter()
            .filter_map(|(rules, at)| rules?.clauses.get(at?))
            .flat_map(|clause| clause.when.iter().map(|condition| condition.text.as_str()))
            .collect();
        let depends = self
            .rules()
            .into_iter()
            .flatten()
            .any(|rules| rules.clauses.iter().any(|clause| !clause.when.is_empty()));
        match (conditions.is_empty(), depends) {
            (true, true) => format!("{} (otherwise)", self.name()),
            (true, false) => self.name().to_owned(),
            (false, _) => {
                format!("{} ({})", self.name(), conditions.into_iter().collect::<Vec<_>>().join("; "))
            }
        }
    }
}

/// What a clause wants of one argument: these bits are so.
type Test = (u32, u32);

/// What a clause wants of each argument, taken together: it decides where all of it holds.
fn tests_of(conditions: &[Condition]) -> BTreeMap<usize, Test> {
    let mut tests: BTreeMap<usize, Test> = BTreeMap::new();
    for condition in conditions {
        let (mask, value) = tests.entry(usize::from(condition.argument)).or_default();
        *mask |= condition.mask;
        *value |= condition.value;
    }
    tests
}

/// Points of the cells into which the clauses cut the arguments; `None`: they are too many.
fn points(clauses: impl Iterator<Item = BTreeMap<usize, Test>>) -> Option<Vec<[u64; 6]>> {
    let mut by_argument: BTreeMap<usize, BTreeSet<Test>> = BTreeMap::new();
    for (argument, test) in clauses.flatten() {
        by_argument.entry(argument).or_default().insert(test);
    }
    let mut points = vec![[0_u64; 6]];
    for (argument, tests) in by_argument {
        let values = values(&tests)?;
        if points.len().saturating_mul(values.len()) > MAX_POINTS {
            return None;
        }
        let with = |point: &[u64; 6], value: u32| {
            let mut point = *point;
            if let Some(place) = point.get_mut(argument) {
                *place = u64::from(value);
            }
            point
        };
        points = points
            .iter()
            .flat_map(|point| values.iter().map(|value| with(point, *value)).collect::<Vec<_>>())
            .collect();
    }
    Some(points)
}

/// Values of one argument: for each test one that meets it and nothing more, one that meets it with every other bit,
/// ones that miss it by one bit; and what meets two of them.
fn values(tests: &BTreeSet<Test>) -> Option<BTreeSet<u32>> {
    if tests.len() > MAX_PAIRED {
        return None;
    }
    let mut values = BTreeSet::from([0, u32::MAX]);
    for (mask, value) in tests {
        values.extend([*value, *value | !mask]);
        values.extend(
            (0..u32::BITS).map(|bit| 1_u32 << bit).filter(|bit| mask & bit != 0).map(|bit| value ^ bit),
        );
        values.extend(tests.iter().map(|(other, wanted)| (value & mask) | (wanted & other & !mask)));
    }
    Some(values)
}
