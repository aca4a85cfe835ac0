//! What a system call policy decides about one call: the reference by which the launcher's BPF compiler is
//! tested. It never runs in a confined process; the compiled filter does.

use std::collections::BTreeSet;

use crate::profile::{Clause, Condition, SyscallPolicy, Verdict};

/// Who refuses a call that the policy allows, and where that is written.
const REFUSED: (&str, &str) = ("refused by the operator's config", "cofferdam.toml: modules.refuse_calls");

impl SyscallPolicy {
    /// What happens to the call with this number and these arguments, as the kernel gets them in registers.
    #[must_use]
    pub fn decide(&self, number: u32, arguments: &[u64; 6]) -> Verdict {
        self.rules
            .get(&number)
            .and_then(|rules| rules.clauses.iter().find(|clause| clause.applies(arguments)))
            .map_or(self.otherwise, |clause| clause.verdict)
    }

    /// The policy that refuses the calls of these names too. Whatever it refused before is refused as before, and what
    /// it allowed meets what happens to a call that nobody thought of.
    #[must_use]
    pub fn without(&self, names: &BTreeSet<String>) -> Self {
        let mut narrower = self.clone();
        for rules in narrower.rules.values_mut().filter(|rules| names.contains(&rules.name)) {
            let before = rules.clauses.len();
            rules.clauses.retain(|clause| clause.verdict != Verdict::Allow);
            let decides_all = rules.clauses.last().is_some_and(|clause| clause.when.is_empty());
            if rules.clauses.len() < before && !decides_all {
                let (why, file) = (REFUSED.0.to_owned(), REFUSED.1.to_owned());
                rules.clauses.push(Clause { when: Vec::new(), verdict: self.otherwise, why, file });
            }
        }
        narrower
    }

    /// The names of the calls that are allowed, at least with some arguments.
    pub fn allowed_names(&self) -> impl Iterator<Item = &str> {
        let allows = |clause: &Clause| clause.verdict == Verdict::Allow;
        let allowed = self.rules.values().filter(move |rules| rules.clauses.iter().any(allows));
        allowed.map(|rules| rules.name.as_str())
    }
}

impl Clause {
    /// Whether all its conditions hold.
    #[must_use]
    pub fn applies(&self, arguments: &[u64; 6]) -> bool {
        self.when.iter().all(|condition| condition.holds(arguments))
    }
}

impl Condition {
    /// Whether it holds for these arguments. One about an argument that does not exist never holds.
    #[must_use]
    pub fn holds(&self, arguments: &[u64; 6]) -> bool {
        arguments
            .get(usize::from(self.argument))
            .is_some_and(|argument| low_32_bits(*argument) & self.mask == self.value)
    }

    /// Whether some value of the argument satisfies both. Conditions on different arguments always agree.
    pub(crate) fn can_hold_with(&self, other: &Self) -> bool {
        self.argument != other.argument || (self.mask & other.mask) & (self.value ^ other.value) == 0
    }
}

fn low_32_bits(argument: u64) -> u32 {
    let [a, b, c, d, ..] = argument.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Errno, SyscallRules};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn condition(argument: u8, mask: u32, value: u32) -> Condition {
        Condition { argument, mask, value, text: String::new() }
    }

    fn clause(when: Vec<Condition>, verdict: Verdict) -> Clause {
        Clause { when, verdict, why: String::new(), file: String::new() }
    }

    fn policy(clauses: Vec<Clause>) -> SyscallPolicy {
        let rules = BTreeMap::from([(7, SyscallRules { name: "poll".to_owned(), clauses })]);
        SyscallPolicy { rules, otherwise: Verdict::Refuse(Errno::Perm) }
    }

    #[test]
    fn the_first_clause_whose_conditions_all_hold_decides() {
        let policy = policy(vec![
            clause(vec![condition(0, 0xff, 1), condition(5, 0xf, 2)], Verdict::Allow),
            clause(vec![condition(0, 0xff, 1)], Verdict::Kill),
            clause(vec![], Verdict::Quiet(Errno::NoSys)),
        ]);
        assert_eq!(policy.decide(7, &[0x101, 0, 0, 0, 0, 0x12]), Verdict::Allow);
        assert_eq!(policy.decide(7, &[0x101, 0, 0, 0, 0, 3]), Verdict::Kill);
        assert_eq!(policy.decide(7, &[2, 0, 0, 0, 0, 2]), Verdict::Quiet(Errno::NoSys));
    }

    #[test]
    fn a_call_that_is_refused_besides_loses_what_allowed_it_and_nothing_else() {
        let quiet = Verdict::Quiet(Errno::NoSys);
        let whole = policy(vec![
            clause(vec![condition(0, u32::MAX, 1)], Verdict::Allow),
            clause(vec![condition(0, u32::MAX, 2)], Verdict::Kill),
        ]);
        let narrower = whole.without(&["poll".to_owned()].into());
        let meets = |policy: &SyscallPolicy, first| policy.decide(7, &[first, 0, 0, 0, 0, 0]);
        assert_eq!(meets(&whole, 1), Verdict::Allow);
        assert_eq!(meets(&narrower, 1), Verdict::Refuse(Errno::Perm));
        assert_eq!((meets(&narrower, 2), narrower.allowed_names().count()), (Verdict::Kill, 0));
        assert!(narrower.rules[&7].clauses.last().unwrap().why.contains("operator"));
        let falls_back =
            policy(vec![clause(vec![condition(0, u32::MAX, 1)], Verdict::Allow), clause(vec![], quiet)]);
        assert_eq!(meets(&falls_back.without(&["poll".to_owned()].into()), 1), quiet);
        assert_eq!(whole.without(&["read".to_owned()].into()), whole);
    }

    #[test]
    fn what_no_clause_decides_is_decided_by_otherwise() {
        let policy = policy(vec![clause(vec![condition(0, u32::MAX, 1)], Verdict::Allow)]);
        assert_eq!(policy.decide(7, &[2, 0, 0, 0, 0, 0]), Verdict::Refuse(Errno::Perm));
        assert_eq!(policy.decide(8, &[1, 0, 0, 0, 0, 0]), Verdict::Refuse(Errno::Perm));
    }

    #[test]
    fn the_upper_half_of_an_argument_does_not_count() {
        assert!(condition(0, u32::MAX, 1).holds(&[0xdead_beef_0000_0001, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn an_argument_that_does_not_exist_satisfies_nothing() {
        assert!(!condition(6, 0, 0).holds(&[0; 6]));
    }

    proptest! {
        #[test]
        fn two_conditions_that_hold_at_once_can_hold_at_once(
            argument in any::<u64>(), first_mask in any::<u32>(), second_mask in any::<u32>(),
        ) {
            let low = low_32_bits(argument);
            let first = condition(0, first_mask, low & first_mask);
            let second = condition(0, second_mask, low & second_mask);
            prop_assert!(first.holds(&[argument, 0, 0, 0, 0, 0]) && second.holds(&[argument, 0, 0, 0, 0, 0]));
            prop_assert!(first.can_hold_with(&second));
        }

        #[test]
        fn two_conditions_that_can_hold_at_once_have_an_argument_that_shows_it(
            first_mask in any::<u32>(), second_mask in any::<u32>(), first in any::<u32>(), second in any::<u32>(),
        ) {
            let one = condition(0, first_mask, first & first_mask);
            let other = condition(0, second_mask, second & second_mask);
            let witness = [u64::from(one.value | other.value), 0, 0, 0, 0, 0];
            prop_assert_eq!(one.can_hold_with(&other), one.holds(&witness) && other.holds(&witness));
        }
    }
}
