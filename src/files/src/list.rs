//! A directory in pages, sorted by name. It never holds more than a page in memory, however many names there are, and
//! never shows the host's unfinished files.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::ops::ControlFlow;
use std::str;

use crate::error::quote;
use crate::path::RelativePath;
use crate::temporary::is_temporary;
use crate::{DataDirectory, FilesError, Kind, MAX_PAGE_ENTRIES, MAX_SCANNED_ENTRIES, beneath, length, walk};

/// A part of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries, sorted by the bytes of their names.
    pub entries: Vec<Entry>,
    /// The name to continue behind, if there may be more entries.
    pub next: Option<String>,
}

/// One entry of a directory: what it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name. A name that is not UTF-8 is shown with `/` before it, `\xff` for each byte that is not, and `\\` for a
    /// backslash: no path can name it, and it cannot be mistaken for another.
    pub name: String,
    /// Whether the name is shown so. No call of the host can open or delete such a file; the module can.
    pub is_escaped: bool,
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes, as far as a length means something for its kind.
    pub bytes: u64,
}

impl DataDirectory {
    /// Lists a directory (the empty path is the data directory itself) from the first name behind `after` on, at most
    /// `max_entries` and at most [`MAX_PAGE_ENTRIES`]. Entries that come and go between two pages are listed or not; all
    /// others are listed once.
    ///
    /// # Errors
    /// The path is not valid, there is no such directory, the way there leads through a link or onto another mount,
    /// the directory has more than [`MAX_SCANNED_ENTRIES`] entries, or `max_entries` is 0.
    pub fn list(&self, path: &str, after: Option<&str>, max_entries: usize) -> Result<Page, FilesError> {
        let path = RelativePath::parse_directory(path)?;
        if max_entries == 0 {
            return Err(FilesError::EmptyPage);
        }
        let directory = beneath::directory(self.root(), path)?;
        let mut names = Names::new(after, max_entries.min(MAX_PAGE_ENTRIES));
        let mut scanned = 0_usize;
        let looked = walk::entries(&directory, |name| {
            scanned = scanned.saturating_add(1);
            if scanned > MAX_SCANNED_ENTRIES {
                return ControlFlow::Break(());
            }
            names.offer(name);
            ControlFlow::Continue(())
        });
        if looked.map_err(|errno| FilesError::from_errno("list", path.text(), errno))?.is_break() {
            return Err(FilesError::TooManyEntries { path: quote(path.text()) });
        }
        Ok(names.page(|name| beneath::entry(&directory, name)))
    }
}

/// The smallest names behind one, as many as fit a page.
struct Names<'a> {
    after: Option<&'a str>,
    max: usize,
    kept: BTreeMap<String, CString>,
    has_more: bool,
}

impl<'a> Names<'a> {
    fn new(after: Option<&'a str>, max: usize) -> Self {
        Self { after, max, kept: BTreeMap::new(), has_more: false }
    }

    fn offer(&mut self, name: &CStr) {
        let shown = shown(name.to_bytes());
        if is_temporary(name.to_bytes()) || self.after.is_some_and(|after| shown.as_str() <= after) {
            return;
        }
        self.kept.insert(shown, name.to_owned());
        if self.kept.len() > self.max {
            let _behind = self.kept.pop_last();
            self.has_more = true;
        }
    }

    fn page(self, look: impl Fn(&CStr) -> Option<rustix::fs::Stat>) -> Page {
        let next = self.kept.last_key_value().map(|(name, _)| name.clone()).filter(|_| self.has_more);
        let entry = |(name, raw): (String, CString)| {
            // What vanished meanwhile is not listed.
            let stat = look(&raw)?;
            let is_escaped = name.as_bytes() != raw.as_bytes();
            Some(Entry { name, is_escaped, kind: Kind::of(&stat), bytes: length(&stat) })
        };
        Page { entries: self.kept.into_iter().filter_map(entry).collect(), next }
    }
}

/// A name as a listing shows it. Two names never look the same: only an escaped one begins with `/`.
fn shown(name: &[u8]) -> String {
    if let Ok(name) = str::from_utf8(name) {
        return name.to_owned();
    }
    let mut shown = "/".to_owned();
    for chunk in name.utf8_chunks() {
        shown.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_that_is_not_utf8_is_shown_as_no_other_can_be() {
        assert_eq!(shown(b"plain\\name"), "plain\\name");
        assert_eq!(shown(b"a\\\xff"), "/a\\\\\\xff");
        assert_eq!(shown(b"a\\xff"), "a\\xff");
    }

    proptest! {
        #[test]
        fn two_names_never_look_the_same(one in name(), other in name()) {
            prop_assert_eq!(one == other, shown(&one) == shown(&other));
        }

        #[test]
        fn pages_put_together_are_all_names_once_and_sorted(
            names in proptest::collection::btree_set(name(), 0..40),
            max in 1_usize..8,
        ) {
            let mut found = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let mut page = Names::new(after.as_deref(), max);
                names.iter().for_each(|name| page.offer(&CString::new(name.clone()).unwrap()));
                prop_assert!(page.kept.len() <= max);
                found.extend(page.kept.keys().cloned());
                let last = page.kept.last_key_value().map(|(name, _)| name.clone());
                if !page.has_more {
                    break;
                }
                after = last;
            }
            let mut expected: Vec<String> = names.iter().map(|name| shown(name)).collect();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }

    /// Names of few letters, so that they collide.
    fn name() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(b'\\'), Just(b'x'), Just(b'f'), Just(0xff_u8), Just(b'a'), Just(0xc3)];
        proptest::collection::vec(byte, 1..7)
    }
}
