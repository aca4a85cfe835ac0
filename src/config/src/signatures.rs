//! `[signatures]`: whose signatures count, and which modules run without one.

use crate::source::{key, value};
use cofferdam_document::{DocumentError, Source, Spanned, quote};
use cofferdam_manifest::ModuleName;
use cofferdam_signature::TrustedKey;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The longest name of a key, in bytes: it is part of one line.
const MAX_NAME_BYTES: usize = 100;

/// The most keys: each is tried on each signature.
const MAX_KEYS: usize = 64;

/// Whose signatures count, and which modules run without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures {
    /// `[signatures.trusted_keys]`: by the operator's names for them. None unless set.
    pub trusted_keys: Vec<TrustedKey>,
    /// `unsigned`: the modules that may run without a signature. One that has a signature all the same must have a
    /// valid one. None unless set.
    pub unsigned: BTreeSet<ModuleName>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    #[serde(default)]
    trusted_keys: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    unsigned: Vec<Spanned<String>>,
}

impl Raw {
    pub(crate) fn check(self, source: Source<'_>) -> Result<Signatures, DocumentError> {
        Ok(Signatures {
            trusted_keys: trusted_keys(source, &self.trusted_keys)?,
            unsigned: unsigned(source, &self.unsigned)?,
        })
    }
}

fn trusted_keys(
    source: Source<'_>,
    listed: &BTreeMap<Spanned<String>, Spanned<String>>,
) -> Result<Vec<TrustedKey>, DocumentError> {
    let table = "signatures.trusted_keys";
    let mut keys: Vec<TrustedKey> = Vec::new();
    for (name, text) in listed {
        let path = key(table, name.get_ref());
        if keys.len() == MAX_KEYS {
            let problem = format!("more than {MAX_KEYS} keys are trusted");
            return Err(source.error(name.span(), table, problem, "remove those that sign nothing here"));
        }
        let shown = source.one_line(&path, name, MAX_NAME_BYTES)?;
        let trusted = TrustedKey::new(&shown, text.get_ref()).map_err(|_| {
            let problem = format!("{} is not a public key of minisign", quote(text.get_ref()));
            let fix = "copy the second line of the author's minisign.pub: 56 characters that begin with RW";
            source.error(text.span(), &path, problem, fix)
        })?;
        if keys.iter().any(|other| other.text() == trusted.text()) {
            let problem = "the key is listed under another name too";
            return Err(source.error(text.span(), &path, problem, "list it once"));
        }
        keys.push(trusted);
    }
    Ok(keys)
}

fn unsigned(source: Source<'_>, listed: &[Spanned<String>]) -> Result<BTreeSet<ModuleName>, DocumentError> {
    let key = "signatures.unsigned";
    let mut names = BTreeSet::new();
    for text in listed {
        if !names.insert(value(source, key, text)?) {
            let problem = format!("{} is listed twice", quote(text.get_ref()));
            return Err(source.error(text.span(), key, problem, "list it once"));
        }
    }
    Ok(names)
}
