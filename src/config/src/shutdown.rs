//! `[shutdown]`: how Cofferdam stops.

use cofferdam_document::{DocumentError, Source, Spanned};
use serde::Deserialize;
use std::time::Duration;

/// Ten minutes. A service manager gives up long before; a longer grace would only look like a hang.
const MAX_GRACE_MS: u64 = 600_000;

/// How Cofferdam stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// `grace_ms`: how long modules and the core may take to stop on their own before they are killed.
    /// From 0 (killed at once) to 10 minutes; 5 seconds unless set.
    pub grace: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace: Duration::from_secs(5) }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    grace_ms: Option<Spanned<u64>>,
}

impl Raw {
    pub(crate) fn check(self, source: Source<'_>) -> Result<Shutdown, DocumentError> {
        let Some(grace_ms) = self.grace_ms else { return Ok(Shutdown::default()) };
        let why = "the longest wait for a module to stop is ten minutes";
        let grace_ms = source.in_range("shutdown.grace_ms", &grace_ms, 0..=MAX_GRACE_MS, why)?;
        Ok(Shutdown { grace: Duration::from_millis(grace_ms) })
    }
}
