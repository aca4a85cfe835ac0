//! The errors a call may end with. Each says what the caller can do; none invents an answer.
//!
//! `None` in a reply means "it does not exist"; an error means "the host cannot say", and why.

tagged_enum! {
    /// Why a call has no answer.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    #[non_exhaustive]
    pub enum ApiError {
        /// The module was not granted what the call needs.
        #[error(
            "{call} needs the capability {capability}; add it to capabilities in module.toml and ask the operator to grant it"
        )]
        1 => PermissionDenied {
            /// The capability, as module.toml writes it.
            capability: String,
            /// The call, by its wire name.
            call: String,
        },
        /// Something the call names does not exist, where the reply has no way to say so.
        #[error("{what} does not exist")]
        2 => NotFound {
            /// What was looked for.
            what: String,
        },
        /// An argument cannot be right.
        #[error("argument {argument}: {problem}")]
        3 => InvalidArgument {
            /// The argument, by the name of its field.
            argument: String,
            /// What is wrong with it and what would be right.
            problem: String,
        },
        /// The node or the host is still starting or catching up.
        #[error("not ready yet: {reason}; try again later")]
        4 => NotReady {
            /// What is being waited for.
            reason: String,
        },
        /// The node had the block and deleted it.
        #[error(
            "the block{} was deleted by pruning; a node with more blocks is needed (prune=0 in its configuration)",
            at_height(*height)
        )]
        5 => Pruned {
            /// The height of the block, where it is known.
            height: Option<u32>,
        },
        /// The node can answer only with an index it does not have.
        #[error("the node cannot know without an index; ask the operator to start it with {hint}")]
        6 => IndexRequired {
            /// The option that makes the index, such as `-txindex=1`.
            hint: String,
        },
        /// There is not enough data for an honest number.
        #[error("not enough data: {reason}")]
        7 => InsufficientData {
            /// What is missing.
            reason: String,
        },
        /// A quota of this module is used up.
        #[error("quota of {what}: {requested} requested, {limit} allowed; free some or ask the operator for more")]
        8 => QuotaExceeded {
            /// What is counted, with its unit.
            what: String,
            /// What the call would have brought it to.
            requested: u64,
            /// What is allowed.
            limit: u64,
        },
        /// Too many calls in too short a time, or too many at once.
        #[error("too many calls; try again in {retry_after_ms} ms")]
        9 => RateLimited {
            /// When a call will be taken again.
            retry_after_ms: u64,
        },
        /// Whoever had to answer did not, in time.
        #[error("{what} did not answer within {after_ms} ms")]
        10 => Timeout {
            /// Who or what was asked.
            what: String,
            /// How long was waited.
            after_ms: u64,
        },
        /// The module that was named is not running or may not be called.
        #[error("module {module} is not available; check that it is installed, running, and that calling it is granted")]
        11 => ModuleNotFound {
            /// The module that was named.
            module: String,
        },
        /// What runs behind the host has no source for an answer, now or ever.
        #[error("{backend} cannot do this: {reason}")]
        12 => Unsupported {
            /// What was asked, for example `bitcoind` or `cofferdam 0.1.0`.
            backend: String,
            /// Why it cannot.
            reason: String,
        },
        /// A fault of the host. The operator finds the details in the log by the reference.
        #[error("the host failed; its log has the details under {reference}")]
        13 => Internal {
            /// What to look for in the host's log.
            reference: String,
        },
    }
}

fn at_height(height: Option<u32>) -> String {
    height.map(|height| format!(" at height {height}")).unwrap_or_default()
}
