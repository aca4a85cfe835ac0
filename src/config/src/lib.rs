//! Parses the operator's cofferdam.toml; pure: no file, clock, environment or randomness.
