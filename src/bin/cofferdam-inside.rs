//! The probe that `cofferdam audit --verify` starts in a module's place. It does what the launcher asks from inside
//! the sandbox, and nothing by itself.

#![forbid(unsafe_code)]

fn main() {
    cofferdam_launcher::serve_inside();
}
