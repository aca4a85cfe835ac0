//! What a store holds at most, and how full it is. Plain numbers; never reads or writes anything.

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 4 * 1024;
/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// The longest name of a tree, in characters.
pub const MAX_TREE_NAME: usize = 64;
/// The most operations in one transaction.
pub const MAX_BATCH_OPERATIONS: usize = 4096;
/// The most bytes of keys and values in one transaction, expectations included.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// What one module's store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all keys and values together. The files take more room: see the crate's documentation.
    pub bytes: u64,
    /// Keys in all trees together.
    pub keys: u64,
    /// Trees.
    pub trees: u32,
}

/// What a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of all keys and values together.
    pub bytes: u64,
    /// Keys in all trees together.
    pub keys: u64,
    /// Trees.
    pub trees: u32,
}

/// One of the limits of a [`Quota`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Quota::bytes`]
    Bytes,
    /// [`Quota::keys`]
    Keys,
    /// [`Quota::trees`]
    Trees,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Bytes => "bytes",
            Self::Keys => "keys",
            Self::Trees => "trees",
        })
    }
}

impl Quota {
    /// The limit that going from `old` to `new` would break. What shrinks is always allowed, so that a full store can be
    /// emptied, and a store that is over a quota that was lowered too.
    pub(crate) fn refuses(&self, old: Usage, new: Usage) -> Option<(Limit, u64, u64)> {
        let over = |limit: u64, old: u64, new: u64| new > limit && new > old;
        if over(self.bytes, old.bytes, new.bytes) {
            return Some((Limit::Bytes, new.bytes, self.bytes));
        }
        if over(self.keys, old.keys, new.keys) {
            return Some((Limit::Keys, new.keys, self.keys));
        }
        if over(self.trees.into(), old.trees.into(), new.trees.into()) {
            return Some((Limit::Trees, new.trees.into(), self.trees.into()));
        }
        None
    }
}
