//! The host core: answers the node API for confined modules.

pub mod node;
