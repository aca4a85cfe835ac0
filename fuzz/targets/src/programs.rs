//! A program's file: its headers are read, it is never executed.

use std::io::Write as _;

use cofferdam_policy::profile::Linkage;
use rustix::fs::{MemfdFlags, memfd_create};

const PT_INTERP: [u8; 4] = 3_u32.to_le_bytes();

/// Where program headers are in the file, and how far they are apart. elf(5).
const HEADERS_AT: std::ops::Range<usize> = 32..40;
const HEADERS_APART: usize = 56;

/// The bytes of a file that a manifest calls a program.
pub(crate) fn elf(bytes: &[u8]) {
    let memory = memfd_create("program", MemfdFlags::CLOEXEC).expect("a file in memory");
    let mut image = std::fs::File::from(memory);
    image.write_all(bytes).expect("the file is written");
    match cofferdam_installation::linkage(&image) {
        Ok(linkage) => {
            assert!(bytes.starts_with(b"\x7fELF"), "only ELF programs are taken");
            assert_eq!(linkage == Linkage::Dynamic, names_an_interpreter(bytes), "{linkage:?}");
        }
        Err(problem) => assert!(problem.len() < 1024 && !problem.contains('\n'), "{problem:?}"),
    }
}

/// Written once more, for files that are known to be well-formed.
fn names_an_interpreter(bytes: &[u8]) -> bool {
    let at = bytes.get(HEADERS_AT).and_then(|at| at.try_into().ok()).map_or(0, u64::from_le_bytes);
    let count = bytes.get(56..58).and_then(|count| count.try_into().ok()).map_or(0, u16::from_le_bytes);
    let table = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or(&[]);
    table.chunks(HEADERS_APART).take(usize::from(count)).any(|header| header.starts_with(&PT_INTERP))
}
