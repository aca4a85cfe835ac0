//! Is it an ELF program of this machine, and does it name an interpreter? Reads the headers only and never
//! executes anything. elf(5).

use std::fs::File;
use std::os::unix::fs::FileExt;

use cofferdam_policy::profile::Linkage;

const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: u16 = 56;
/// A program has about ten; the kernel reads at most 64 KiB of them.
const MAX_PROGRAM_HEADERS: u16 = 1024;
const PT_INTERP: u32 = 3;
const EM_X86_64: u16 = 62;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;

/// How the program in this file is linked, from its headers. The file is hostile: nothing it says is believed
/// beyond its own length.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn linkage(image: &File) -> Result<Linkage, String> {
    let mut magic = [0_u8; 4];
    let length = image.read_at(&mut magic, 0).map_err(|error| format!("cannot be read: {error}"))?;
    if &magic != b"\x7fELF" || length < magic.len() {
        let script = if magic.starts_with(b"#!") { " (it is a script)" } else { "" };
        return Err(format!("is not an ELF program{script}"));
    }
    let mut header = [0_u8; HEADER_BYTES];
    image.read_exact_at(&mut header, 0).map_err(|_| "is too short to be a program".to_owned())?;
    // Class 2 is 64 bit, data 1 is little-endian.
    let machine = number::<2>(&header, 18);
    if header.get(4..6) != Some(&[2, 1]) || machine != u64::from(EM_X86_64) {
        return Err("is not a program for x86_64".to_owned());
    }
    let kind = number::<2>(&header, 16);
    if kind != u64::from(ET_EXEC) && kind != u64::from(ET_DYN) {
        return Err("is an ELF file but not a program".to_owned());
    }
    let table = number::<8>(&header, 32);
    let count = number::<2>(&header, 56);
    if number::<2>(&header, 54) != u64::from(PROGRAM_HEADER_BYTES) || count > u64::from(MAX_PROGRAM_HEADERS) {
        return Err("has a malformed program header table".to_owned());
    }
    for index in 0..count {
        let offset = table.checked_add(index * u64::from(PROGRAM_HEADER_BYTES));
        let mut kind = [0_u8; 4];
        let read = offset.map(|offset| image.read_exact_at(&mut kind, offset));
        if !matches!(read, Some(Ok(()))) {
            return Err("has a program header table beyond its end".to_owned());
        }
        if u32::from_le_bytes(kind) == PT_INTERP {
            return Ok(Linkage::Dynamic);
        }
    }
    Ok(Linkage::Static)
}

/// The little-endian number of `N` bytes at `offset`; the header is longer than any offset asked for.
fn number<const N: usize>(header: &[u8; HEADER_BYTES], offset: usize) -> u64 {
    header.iter().skip(offset).take(N).rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// A program with these program headers and nothing else.
    fn program(headers: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0_u8; HEADER_BYTES];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16] = 3;
        bytes[18] = 62;
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = u8::try_from(headers.len()).unwrap();
        for kind in headers {
            bytes.extend(kind.to_le_bytes());
            bytes.extend([0; 52]);
        }
        bytes
    }

    #[test]
    fn a_program_that_names_an_interpreter_is_dynamic() {
        assert_eq!(linkage(&file(&program(&[1, 3, 1]))), Ok(Linkage::Dynamic));
    }

    #[test]
    fn a_program_that_names_none_is_static() {
        assert_eq!(linkage(&file(&program(&[1, 1]))), Ok(Linkage::Static));
    }

    #[test]
    fn this_test_is_a_program() {
        let own = File::open(std::env::current_exe().unwrap()).unwrap();
        assert!(linkage(&own).is_ok());
    }

    #[test]
    fn a_script_is_called_one() {
        let script = format!("#!/bin/sh\n{}", " ".repeat(HEADER_BYTES));
        assert_eq!(
            linkage(&file(script.as_bytes())),
            Err("is not an ELF program (it is a script)".to_owned())
        );
    }

    #[test]
    fn a_program_cut_short_anywhere_is_refused_or_read_within_its_length() {
        let whole = program(&[1, 3]);
        for length in 0..whole.len() - 52 {
            assert!(linkage(&file(&whole[..length])).is_err(), "{length}");
        }
    }

    #[test]
    fn a_program_header_table_far_beyond_the_end_is_refused() {
        let mut bytes = program(&[1]);
        bytes[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(linkage(&file(&bytes)), Err("has a program header table beyond its end".to_owned()));
    }
}
