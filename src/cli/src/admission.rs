//! Whether an installed module starts as it is, for people and for programs. It decides nothing: the launcher asks the
//! same function, of the bytes that it executes.

use cofferdam_installation::{Admission, Installation, Installed, program_hash};
use cofferdam_signature::Signer;
use serde::Serialize;

/// What there is to say of a module's signature and grant.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    /// The hash of its program; none where that cannot be read.
    program_sha256: Option<String>,
    /// Who signed it; none for an unsigned module, or one that does not start.
    signed_by: Option<SignedBy>,
    /// Why it does not start; none if it does.
    does_not_start: Option<String>,
}

/// Who signed a module, as the signature proves.
#[derive(Debug, Serialize)]
pub(crate) struct SignedBy {
    name: String,
    key: String,
    comment: String,
}

impl From<Signer> for SignedBy {
    fn from(Signer { name, key, comment }: Signer) -> Self {
        Self { name, key, comment }
    }
}

impl Standing {
    /// Of a module as it lies there now.
    pub(crate) fn of(installed: &Installed, installation: &Installation) -> Self {
        let program = program_hash(installed);
        let program_sha256 = program.as_ref().ok().map(ToString::to_string);
        let admitted = program.and_then(|program| {
            installation.admit(installed, program).map_err(|refused| refused.to_string())
        });
        match admitted {
            Ok(Admission { signer, .. }) => {
                Self { program_sha256, signed_by: signer.map(SignedBy::from), does_not_start: None }
            }
            Err(why) => Self { program_sha256, signed_by: None, does_not_start: Some(why) },
        }
    }

    /// Why the module does not start, and what to do; `None` if it does.
    pub(crate) fn does_not_start(&self) -> Option<&str> {
        self.does_not_start.as_deref()
    }

    /// Who signed it, in words.
    pub(crate) fn signer(&self) -> String {
        self.signed_by.as_ref().map_or("nobody; the config allows that".to_owned(), SignedBy::in_words)
    }

    /// The last section of the module's page.
    pub(crate) fn section(&self) -> String {
        let hash = self.program_sha256.as_deref().unwrap_or("unknown");
        let mut text = format!("\nSTARTS\n  program    sha256 {hash}\n");
        match &self.does_not_start {
            Some(why) => text.push_str(&format!("  NOT NOW    {why}\n")),
            None => text.push_str(&format!(
                "  signed by  {}\n  granted    yes, this program with no more than this page says\n",
                self.signer()
            )),
        }
        text
    }
}

impl SignedBy {
    /// In words, on one line.
    pub(crate) fn in_words(&self) -> String {
        format!("{} ({}): {}", self.name, self.key, self.comment)
    }
}
