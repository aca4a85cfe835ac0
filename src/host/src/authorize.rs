//! Decides whether a module may make a call, and nothing else.
//!
//! [`Authorized`] has a private field and is built here alone, and every handler demands one: a handler that
//! is reached without the check does not compile.

use cofferdam_manifest::{Capability, CapabilitySet};
use cofferdam_protocol::{ApiError, Call};

/// A call whose caller was granted what it needs.
///
/// Holding one proves that the check was made for this call and this caller's grants. It proves nothing about
/// the arguments, which are the module's claims.
#[derive(Debug)]
pub(crate) struct Authorized<C>(C);

impl<C> Authorized<C> {
    /// The call with its arguments.
    pub(crate) fn into_call(self) -> C {
        self.0
    }
}

/// A call that the caller may not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied {
    /// The call, by its wire name.
    pub(crate) call: &'static str,
    /// What the caller would need.
    pub(crate) capability: Capability,
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::PermissionDenied {
            capability: denied.capability.as_str().to_owned(),
            call: denied.call.to_owned(),
        }
    }
}

/// Checks a call against what its caller was granted.
///
/// # Errors
/// [`Denied`], naming the capability that is missing.
pub(crate) fn authorize<C: Call>(call: C, granted: &CapabilitySet) -> Result<Authorized<C>, Denied> {
    match C::CAPABILITY {
        Some(capability) if !granted.contains(capability) => Err(Denied { call: C::NAME, capability }),
        Some(_) | None => Ok(Authorized(call)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_protocol::calls::{GetChainTip, GetUtxo, Log};
    use cofferdam_protocol::{LogLevel, OutPoint, Txid};

    fn get_utxo() -> GetUtxo {
        GetUtxo { outpoint: OutPoint { txid: Txid::from_bytes([1; 32]), vout: 0 } }
    }

    #[test]
    fn a_call_passes_with_its_capability_and_with_no_other() {
        for granted in Capability::ALL {
            let set = CapabilitySet::from_iter([*granted]);
            let passed = authorize(get_utxo(), &set).is_ok();
            assert_eq!(passed, *granted == Capability::ReadUtxo, "{granted}");
        }
    }

    #[test]
    fn a_denial_names_the_call_and_the_capability() {
        let denied = authorize(GetChainTip {}, &CapabilitySet::new()).unwrap_err();
        assert_eq!(denied, Denied { call: "get_chain_tip", capability: Capability::ReadChainState });
    }

    #[test]
    fn a_call_that_needs_nothing_is_everybodys() {
        let log = Log { level: LogLevel::Info, message: String::new() };
        assert!(authorize(log, &CapabilitySet::new()).is_ok());
    }
}
