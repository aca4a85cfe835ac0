//! Parses the `when` of a rule: `flags lacks A|B`, `flags has A or B`, `cmd is A or B`, `op & MASK is A or B`.
//! It compares only what a filter can soundly compare, and never accepts a condition that cannot hold or
//! always holds.

use crate::arguments::{self, Argument, Width};
use crate::constants;
use crate::profile::Condition;
use cofferdam_document::{closest, quote};

/// The most alternatives of one condition; `fcntl` and `madvise` have about a dozen.
const MAX_ALTERNATIVES: usize = 32;

/// What is wrong with a condition, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) problem: String,
    pub(crate) fix: String,
}

impl Flaw {
    pub(crate) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { problem: problem.into(), fix: fix.into() }
    }
}

/// Parses one condition on the arguments of `call`. The result holds alternatives: one of them must hold.
pub(crate) fn parse(call: &str, text: &str) -> Result<Vec<Condition>, Flaw> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [name, "has", choices @ ..] => {
            let argument = argument(call, name)?;
            alternatives(choices, |names| {
                let mask = bits(names)?;
                Ok(condition(argument, mask, mask, format!("{name} has {names}")))
            })
        }
        [name, "lacks", names] => {
            Ok(vec![condition(argument(call, name)?, bits(names)?, 0, format!("{name} lacks {names}"))])
        }
        [name, "is", choices @ ..] => {
            let argument = whole(call, name)?;
            alternatives(choices, |names| {
                Ok(condition(argument, u32::MAX, combined(names)?, format!("{name} is {names}")))
            })
        }
        [name, "&", mask, "is", choices @ ..] => {
            let argument = whole(call, name)?;
            let bits = bits(mask)?;
            alternatives(choices, |names| {
                Ok(condition(argument, bits, within(bits, names)?, format!("{name} & {mask} is {names}")))
            })
        }
        _ => Err(Flaw::new(
            format!("{} is not a condition", quote(text)),
            "write `flags lacks A|B`, `flags has A or B`, `cmd is A or B` or `op & MASK is A or B`",
        )),
    }
}

/// `A or B or C`, each parsed by `one`.
fn alternatives(
    choices: &[&str],
    one: impl Fn(&str) -> Result<Condition, Flaw>,
) -> Result<Vec<Condition>, Flaw> {
    if choices.len() > MAX_ALTERNATIVES.saturating_mul(2) {
        return Err(Flaw::new("the condition has too many alternatives", "split it into several rules"));
    }
    let mut found = Vec::new();
    for (position, word) in choices.iter().enumerate() {
        match (position % 2, *word) {
            (0, names) => found.push(one(names)?),
            (_, "or") => {}
            (_, other) => return Err(Flaw::new(format!("{} is not `or`", quote(other)), "write `A or B`")),
        }
    }
    if choices.len() % 2 == 1 {
        return Ok(found);
    }
    Err(Flaw::new("the condition ends where a constant should stand", "write `A or B`"))
}

/// The value of the names, which must lie within the mask.
fn within(mask: u32, names: &str) -> Result<u32, Flaw> {
    let value = combined(names)?;
    if value & !mask == 0 {
        return Ok(value);
    }
    let problem = format!("{} has bits outside the mask, so this never holds", quote(names));
    Err(Flaw::new(problem, "name a constant within the mask"))
}

fn condition(argument: Argument, mask: u32, value: u32, text: String) -> Condition {
    Condition { argument: argument.index, mask, value, text }
}

/// The argument with this name.
fn argument(call: &str, name: &str) -> Result<Argument, Flaw> {
    let known = arguments::of_call(call);
    known.iter().find(|argument| argument.name == name).copied().ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|argument| argument.name).collect();
        let fix = match names.as_slice() {
            [] => "no condition on this call is sound: remove `when`, or add the argument to arguments.rs"
                .to_owned(),
            names => format!("the arguments that can be compared are {}", names.join(", ")),
        };
        Flaw::new(format!("no argument {} of {call} can be compared", quote(name)), fix)
    })
}

/// The argument with this name, if its whole value can be compared.
fn whole(call: &str, name: &str) -> Result<Argument, Flaw> {
    let argument = argument(call, name)?;
    match argument.width {
        Width::Cut => Ok(argument),
        Width::Bits => Err(Flaw::new(
            format!("{name} of {call} has more bits than a filter compares with `is`"),
            "use `has` or `lacks`",
        )),
    }
}

/// The bits of `A|B`, of which there must be some.
fn bits(names: &str) -> Result<u32, Flaw> {
    match combined(names)? {
        0 => Err(Flaw::new(format!("{} has no bits to test", quote(names)), "compare it with `is`")),
        mask => Ok(mask),
    }
}

fn combined(names: &str) -> Result<u32, Flaw> {
    names.split('|').try_fold(0, |bits, name| Ok(bits | constant(name)?))
}

fn constant(name: &str) -> Result<u32, Flaw> {
    constants::value(name).ok_or_else(|| {
        let fix = closest(name, &constants::names()).map_or_else(
            || "name a constant of constants.rs; policies hold no bare numbers".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        Flaw::new(format!("{} is not a known constant", quote(name)), fix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(call: &str, text: &str) -> String {
        let flaw = parse(call, text).expect_err("flawed");
        format!("{}; {}", flaw.problem, flaw.fix)
    }

    #[test]
    fn has_and_lacks_test_bits() {
        let has = parse("mmap", "prot has PROT_EXEC").expect("valid");
        assert_eq!((has[0].argument, has[0].mask, has[0].value), (2, 4, 4));
        let lacks = parse("mmap", "prot lacks PROT_WRITE|PROT_EXEC").expect("valid");
        assert_eq!((lacks[0].argument, lacks[0].mask, lacks[0].value), (2, 6, 0));
    }

    #[test]
    fn is_compares_the_whole_value_with_each_alternative() {
        let alternatives = parse("fcntl", "cmd is F_GETFD or F_SETFD").expect("valid");
        let values: Vec<(u32, u32)> = alternatives.iter().map(|one| (one.mask, one.value)).collect();
        assert_eq!(values, [(u32::MAX, 1), (u32::MAX, 2)]);
        assert_eq!(alternatives[1].text, "cmd is F_SETFD");
    }

    #[test]
    fn a_masked_value_leaves_other_bits_out() {
        let one = parse("socketpair", "type & SOCK_TYPE_MASK is SOCK_STREAM").expect("valid");
        assert_eq!((one[0].argument, one[0].mask, one[0].value), (1, 0xf, 1));
    }

    #[test]
    fn an_argument_of_64_bits_cannot_be_compared_whole() {
        assert_eq!(
            problem("mmap", "prot is PROT_EXEC"),
            "prot of mmap has more bits than a filter compares with `is`; use `has` or `lacks`"
        );
    }

    #[test]
    fn an_unknown_name_gets_the_one_that_was_meant() {
        assert_eq!(
            problem("fcntl", "cmd is F_DUPFB"),
            "`F_DUPFB` is not a known constant; did you mean `F_DUPFD`?"
        );
        assert!(
            problem("fcntl", "flags is F_GETFD").ends_with("the arguments that can be compared are cmd, arg")
        );
        assert!(problem("read", "fd is SELF").contains("no argument `fd` of read can be compared"));
    }

    #[test]
    fn a_condition_that_never_or_always_holds_is_refused() {
        assert!(problem("socketpair", "type & SOCK_TYPE_MASK is SO_DOMAIN").contains("never holds"));
        assert!(problem("madvise", "advice lacks MADV_NORMAL").contains("no bits to test"));
    }

    #[test]
    fn a_number_is_not_a_constant() {
        assert!(problem("ioctl", "cmd is 0x5421").contains("not a known constant"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(
            call in "mmap|fcntl|clone|read|", words in "(flags|cmd|prot|is|has|lacks|or|&| |PROT_EXEC|F_GETFD|\\||.){0,12}",
        ) {
            let _ = parse(&call, &words);
        }
    }
}
