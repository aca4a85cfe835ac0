//! Versions of modules, and what a module may ask of another's version.

use crate::error::{ValueError, text_form};
use semver::{Comparator, Op};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest version or constraint, in bytes: room for three numbers, a pre-release and a commit's hash.
const MAX_BYTES: usize = 128;

/// A semantic version, such as `1.2.3` or `1.2.3-rc.1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(semver::Version);

impl Version {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`ValueError::Version`] if `text` is not a full semantic version of at most 128 bytes.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let refused = || ValueError::Version(text.to_owned());
        if text.len() > MAX_BYTES {
            return Err(refused());
        }
        semver::Version::parse(text).map(Self).map_err(|_| refused())
    }
}

text_form!(Version);

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

/// What a module asks of another's version: one operator and a full version.
///
/// | written | means | |
/// |---|---|---|
/// | `>=1.0.0` | this or later | |
/// | `<=2.0.0` | this or earlier | |
/// | `=1.2.3` | exactly this | build metadata (`+...`) does not count |
/// | `^1.2.0` | compatible: `>=1.2.0` and before `2.0.0` | `^0.2.3` ends before `0.3.0`, `^0.0.3` before `0.0.4` |
/// | `~1.2.0` | patches only: `>=1.2.0` and before `1.3.0` | |
///
/// A pre-release such as `1.2.0-rc.1` matches only a constraint that names a pre-release of the same
/// `1.2.0`: nobody gets an unfinished version by asking for a finished one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionConstraint {
    operator: Operator,
    version: semver::Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operator {
    AtLeast,
    AtMost,
    Exactly,
    Compatible,
    Patches,
}

impl Operator {
    const ALL: [Self; 5] = [Self::AtLeast, Self::AtMost, Self::Exactly, Self::Compatible, Self::Patches];

    const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Exactly => "=",
            Self::Compatible => "^",
            Self::Patches => "~",
        }
    }

    const fn semver(self) -> Op {
        match self {
            Self::AtLeast => Op::GreaterEq,
            Self::AtMost => Op::LessEq,
            Self::Exactly => Op::Exact,
            Self::Compatible => Op::Caret,
            Self::Patches => Op::Tilde,
        }
    }
}

impl VersionConstraint {
    /// Checks `text`. Spaces around the version are allowed.
    ///
    /// # Errors
    /// [`ValueError::Constraint`] if `text` is not one of the five operators and a full version: a bare
    /// version, a list, a wildcard and a shortened version are refused, because they are read in different
    /// ways by different tools.
    pub fn new(text: &str) -> Result<Self, ValueError> {
        let refused = || ValueError::Constraint(text.to_owned());
        if text.len() > MAX_BYTES {
            return Err(refused());
        }
        let (operator, version) = Operator::ALL
            .into_iter()
            .find_map(|operator| Some((operator, text.trim().strip_prefix(operator.as_str())?)))
            .ok_or_else(refused)?;
        let version = semver::Version::parse(version.trim_start()).map_err(|_| refused())?;
        Ok(Self { operator, version })
    }

    /// Whether `version` is what is asked for.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        let comparator = Comparator {
            op: self.operator.semver(),
            major: self.version.major,
            minor: Some(self.version.minor),
            patch: Some(self.version.patch),
            pre: self.version.pre.clone(),
        };
        comparator.matches(&version.0)
    }
}

text_form!(VersionConstraint);

impl fmt::Display for VersionConstraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.operator.as_str(), self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(constraint: &str, version: &str) -> bool {
        let constraint = VersionConstraint::new(constraint).expect("a constraint");
        constraint.matches(&Version::new(version).expect("a version"))
    }

    #[test]
    fn each_operator_means_what_the_specification_says() {
        for (constraint, inside, outside) in [
            (">=1.0.0", ["1.0.0", "2.5.0"], ["0.9.9", "0.0.1"]),
            ("<=2.0.0", ["2.0.0", "0.1.0"], ["2.0.1", "3.0.0"]),
            ("=1.2.3", ["1.2.3", "1.2.3+build"], ["1.2.4", "1.2.2"]),
            ("^1.0.0", ["1.0.0", "1.99.0"], ["2.0.0", "0.9.0"]),
            ("~1.2.0", ["1.2.0", "1.2.9"], ["1.3.0", "1.1.9"]),
        ] {
            assert!(inside.into_iter().all(|version| matches(constraint, version)), "{constraint}");
            assert!(!outside.into_iter().any(|version| matches(constraint, version)), "{constraint}");
        }
    }

    #[test]
    fn below_one_the_first_number_that_is_not_zero_decides_compatibility() {
        assert!(matches("^0.2.3", "0.2.9") && !matches("^0.2.3", "0.3.0"));
        assert!(matches("^0.0.3", "0.0.3") && !matches("^0.0.3", "0.0.4"));
    }

    #[test]
    fn a_pre_release_matches_only_who_names_one_of_the_same_version() {
        assert!(!matches(">=1.0.0", "1.1.0-rc.1"));
        assert!(!matches("^1.0.0", "2.0.0-alpha"));
        assert!(!matches("<=2.0.0", "2.0.0-rc.1"));
        assert!(matches(">=1.1.0-rc.1", "1.1.0-rc.2"));
        assert!(!matches(">=1.1.0-rc.1", "1.2.0-rc.1"));
    }

    #[test]
    fn any_other_syntax_is_refused_with_the_five_operators() {
        let others =
            ["1.0.0", ">1.0.0", "<1.0.0", "*", "1.*", ">=1.0", "==1.0.0", ">=1.0.0, <=2.0.0", "^", ""];
        for text in others {
            let error = VersionConstraint::new(text).expect_err(text);
            assert!(error.fix().contains(">= <= = ^ ~"), "{error}");
        }
    }

    #[test]
    fn what_is_no_full_version_is_refused() {
        for text in ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", " 1.0.0", "99999999999999999999.0.0"] {
            assert_eq!(Version::new(text), Err(ValueError::Version(text.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn a_constraint_survives_its_text_form(text in "(>=|<=|=|\\^|~|>|) ?[0-9]{1,2}\\.[0-9]\\.[0-9](-rc\\.[0-9])?") {
            if let Ok(constraint) = VersionConstraint::new(&text) {
                prop_assert_eq!(VersionConstraint::new(&constraint.to_string()), Ok(constraint));
            }
        }

        #[test]
        fn any_text_is_a_constraint_or_refused(text in any::<String>()) {
            let _ = (Version::new(&text), VersionConstraint::new(&text));
        }
    }
}
