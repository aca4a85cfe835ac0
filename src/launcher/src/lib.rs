//! Turns a profile into a confined process; the root of trust.
