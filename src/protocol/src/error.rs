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
        /// The node did not take what was submitted.
        #[error("the node refused it: {reason}")]
        14 => Rejected {
            /// The rule it breaks, in the node's words.
            reason: String,
        },
        /// What is there is not what the caller expected; nothing was changed.
        #[error("{what} is not as expected; read it again and decide anew")]
        15 => Conflict {
            /// What differs.
            what: String,
        },
        /// This module's database cannot be used until the operator has mended it.
        #[error("the database of this module cannot be used: {reason}")]
        16 => StorageFailed {
            /// What is wrong and what the operator can do.
            reason: String,
        },
        /// The module that was called answered with an error of its own.
        #[error("{module} answered: {message} (code {code})")]
        17 => ModuleFailed {
            /// The module that was called.
            module: String,
            /// Its code.
            code: i32,
            /// Its message.
            message: String,
        },
        /// The module that was called, or a call on the way to it, waits for this call.
        #[error("calling {module} would go in a circle: {path}")]
        18 => CallCycle {
            /// The module that was called.
            module: String,
            /// The calls on the way, first to last.
            path: String,
        },
        /// The event type is not among those this module may publish.
        #[error(
            "publishing {event_type} is not granted; add it to publish_events in module.toml and ask the operator to grant it"
        )]
        19 => EventNotGranted {
            /// The event type.
            event_type: String,
        },
    }
}

fn at_height(height: Option<u32>) -> String {
    height.map(|height| format!(" at height {height}")).unwrap_or_default()
}
