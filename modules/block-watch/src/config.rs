//! The module's configuration: one key. A value that cannot be right is told and the default taken instead,
//! because a watcher with the wrong number of files is better than none.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

/// How many summaries are kept if the operator does not say: a week of blocks.
const DEFAULT_KEEP: NonZeroUsize = match NonZeroUsize::new(1000) {
    Some(keep) => keep,
    None => NonZeroUsize::MIN,
};

/// The most summaries that can be kept: all names are held in memory, about ten megabytes of them.
const MAX_KEEP: usize = 100_000;

/// How many summaries to keep, and what to complain about.
pub(crate) fn keep(config: &BTreeMap<String, String>) -> (NonZeroUsize, Option<String>) {
    let Some(text) = config.get("keep") else { return (DEFAULT_KEEP, None) };
    match text.parse::<NonZeroUsize>() {
        Ok(keep) if keep.get() <= MAX_KEEP => (keep, None),
        _ => {
            let complaint = format!(
                "configuration key keep: `{text}` is not a number from 1 to {MAX_KEEP}; keeping {DEFAULT_KEEP} summaries"
            );
            (DEFAULT_KEEP, Some(complaint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("keep".to_owned(), value.to_owned())])
    }

    #[test]
    fn without_configuration_a_thousand_are_kept() {
        assert_eq!(keep(&BTreeMap::new()), (DEFAULT_KEEP, None));
        assert_eq!(DEFAULT_KEEP.get(), 1000);
    }

    #[test]
    fn a_number_is_taken() {
        assert_eq!(keep(&with("7")), (NonZeroUsize::new(7).unwrap(), None));
    }

    #[test]
    fn a_wrong_value_is_told_with_its_key_and_the_default_is_taken() {
        for wrong in ["0", "-1", "many", "100001", ""] {
            let (kept, complaint) = keep(&with(wrong));
            assert_eq!(kept, DEFAULT_KEEP);
            assert!(complaint.unwrap().contains("configuration key keep"));
        }
    }
}
