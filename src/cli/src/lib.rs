//! The operator's tool: run, check, audit.
