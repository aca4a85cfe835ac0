//! How the operator is told of a system call that was refused.

use std::fmt::Write as _;

use cofferdam_control::{Denial, Outcome};

use crate::throttle::and_more;

/// `denied socket(0x2, 0x80001, 0x0, 0x0, 0x0, 0x0) -> EPERM`: the call, its arguments as the kernel saw
/// them, and what it met.
pub(super) fn describe(denial: &Denial) -> String {
    let mut line = format!("denied {}(", denial.call);
    for (position, argument) in denial.arguments.iter().enumerate() {
        let separator = if position == 0 { "" } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(line, "{separator}{argument:#x}");
    }
    line.push_str(") -> ");
    match &denial.outcome {
        Outcome::Errno(name) => line.push_str(name),
        Outcome::Killed => line.push_str("killed"),
    }
    line.push_str(&and_more(denial.unreported));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(outcome: Outcome, unreported: u64) -> Denial {
        Denial { call: "socket".to_owned(), arguments: [2, 0x8_0001, 0, 0, 0, 0], outcome, unreported }
    }

    #[test]
    fn a_denial_shows_the_call_its_arguments_and_what_it_met() {
        let line = describe(&denial(Outcome::Errno("EPERM".to_owned()), 0));
        assert_eq!(line, "denied socket(0x2, 0x80001, 0x0, 0x0, 0x0, 0x0) -> EPERM");
    }

    #[test]
    fn denials_that_were_only_counted_are_mentioned() {
        let line = describe(&denial(Outcome::Killed, 7));
        assert!(line.ends_with("-> killed (and 7 more that were not logged)"), "{line}");
    }
}
