//! module
fn main() {}
