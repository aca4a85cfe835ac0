//! Is it an ELF program of this machine, does it name an interpreter, and would the kernel give it memory that
//! is writable and executable? Reads the headers only and never executes anything. elf(5).
//!
//! The kernel lays out a program before its system call filter can refuse anything, so what the filter says of
//! executable memory has to hold here too. fs/binfmt_elf.c.

use std::fs::File;
use std::os::unix::fs::FileExt;

use cofferdam_policy::profile::Linkage;

const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
/// The same, between the offsets of two of them.
const PROGRAM_HEADER_STRIDE: u64 = 56;
/// A program has about ten; the kernel reads at most 64 KiB of them.
const MAX_PROGRAM_HEADERS: u64 = 1024;
/// The longest path of an interpreter, its closing zero included; that of glibc has 28.
const MAX_INTERPRETER_BYTES: usize = 256;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const EM_X86_64: u64 = 62;
const ET_EXEC: u64 = 2;
const ET_DYN: u64 = 3;

/// Where a sandbox has libraries: the only place for an interpreter. One in the data directory would be a program
/// that nobody installed; the mounts refuse to execute it, and this says so before anything starts.
const LIBRARIES: [&str; 3] = ["/lib", "/lib64", "/usr/lib"];

/// How the program in this file is linked, from its headers. The file is hostile: nothing it says is believed
/// beyond its own length.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn linkage(image: &File) -> Result<Linkage, String> {
    let (table, count) = program_headers(image)?;
    let mut linkage = Linkage::Static;
    let mut speaks_of_stack = false;
    for index in 0..count {
        let segment = Segment::read(image, table, index)?;
        match segment.kind {
            PT_LOAD => segment.refuse_writable_code()?,
            PT_INTERP => {
                segment.refuse_foreign_interpreter(image)?;
                linkage = Linkage::Dynamic;
            }
            PT_GNU_STACK if segment.flags & PF_X != 0 => {
                return Err("asks for an executable stack: link it with `-z noexecstack`".to_owned());
            }
            PT_GNU_STACK => speaks_of_stack = true,
            _ => {}
        }
    }
    // Without the header, kernels before 5.8 make all memory executable (READ_IMPLIES_EXEC), and glibc takes it for
    // a wish for executable stacks of threads. Every linker writes it.
    if !speaks_of_stack {
        return Err(
            "does not say that its stack is not executable (no PT_GNU_STACK): link it with `-z noexecstack`"
                .to_owned(),
        );
    }
    Ok(linkage)
}

/// Where the table of program headers starts, and how many it has.
fn program_headers(image: &File) -> Result<(u64, u64), String> {
    let mut magic = [0_u8; 4];
    let length = image.read_at(&mut magic, 0).map_err(|error| format!("cannot be read: {error}"))?;
    if &magic != b"\x7fELF" || length < magic.len() {
        let script = if magic.starts_with(b"#!") { " (it is a script)" } else { "" };
        return Err(format!("is not an ELF program{script}"));
    }
    let mut header = [0_u8; HEADER_BYTES];
    image.read_exact_at(&mut header, 0).map_err(|_| "is too short to be a program".to_owned())?;
    // Class 2 is 64 bit, data 1 is little-endian.
    if header.get(4..6) != Some(&[2, 1]) || number::<2>(&header, 18) != EM_X86_64 {
        return Err("is not a program for x86_64".to_owned());
    }
    if ![ET_EXEC, ET_DYN].contains(&number::<2>(&header, 16)) {
        return Err("is an ELF file but not a program".to_owned());
    }
    let count = number::<2>(&header, 56);
    if number::<2>(&header, 54) != PROGRAM_HEADER_STRIDE || count > MAX_PROGRAM_HEADERS {
        return Err("has a malformed program header table".to_owned());
    }
    Ok((number::<8>(&header, 32), count))
}

/// What a program header claims.
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

impl Segment {
    fn read(image: &File, table: u64, index: u64) -> Result<Self, String> {
        let mut header = [0_u8; PROGRAM_HEADER_BYTES];
        index
            .checked_mul(PROGRAM_HEADER_STRIDE)
            .and_then(|distance| table.checked_add(distance))
            .and_then(|offset| image.read_exact_at(&mut header, offset).ok())
            .ok_or("has a program header table beyond its end")?;
        let word = |offset| u32::try_from(number::<4>(&header, offset)).unwrap_or(u32::MAX);
        Ok(Self {
            kind: word(0),
            flags: word(4),
            offset: number::<8>(&header, 8),
            file_bytes: number::<8>(&header, 32),
            memory_bytes: number::<8>(&header, 40),
        })
    }

    /// Code must not be writable. Nor may it be longer in memory than in the file: the kernel adds the rest with
    /// brk, which is writable whatever the segment says, and keeps it executable.
    fn refuse_writable_code(&self) -> Result<(), String> {
        let writable = self.flags & PF_W != 0 || self.memory_bytes > self.file_bytes;
        if self.flags & PF_X != 0 && writable {
            return Err(
                "asks for memory that is writable and executable: link it without `-N` and `--omagic`"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The interpreter is the program that runs first, and the kernel looks it up inside the sandbox.
    fn refuse_foreign_interpreter(&self, image: &File) -> Result<(), String> {
        let path = self.text(image).ok_or("has a malformed interpreter path")?;
        let plain =
            |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control);
        let below = |library: &&str| {
            path.strip_prefix(*library)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| rest.split('/').all(plain))
        };
        if LIBRARIES.iter().any(below) {
            return Ok(());
        }
        Err(format!(
            "names an interpreter, {path:?}, that is not below /lib, /lib64 or /usr/lib: \
             link it with the loader of the system"
        ))
    }

    /// The segment's bytes as the kernel takes a path: it must end with a zero, and ends at the first.
    fn text(&self, image: &File) -> Option<String> {
        let length =
            usize::try_from(self.file_bytes).ok().filter(|length| *length <= MAX_INTERPRETER_BYTES)?;
        let mut bytes = vec![0; length];
        image.read_exact_at(&mut bytes, self.offset).ok()?;
        if bytes.last() != Some(&0) {
            return None;
        }
        let end = bytes.iter().position(|byte| *byte == 0)?;
        bytes.truncate(end);
        String::from_utf8(bytes).ok()
    }
}

/// The little-endian number of `N` bytes at `offset`; the header is longer than any offset asked for.
fn number<const N: usize>(header: &[u8], offset: usize) -> u64 {
    header.iter().skip(offset).take(N).rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
#[allow(clippy::as_conversions)]
mod tests {
    use super::*;
    use cofferdam_policy::{CoreNeeds, Tables, derive_core};
    use proptest::prelude::*;
    use std::io::Write;

    const READ: u32 = 4;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// One program header: its kind and flags, and the bytes it names, which follow the headers.
    struct Segment(u32, u32, &'static [u8]);

    const CODE: Segment = Segment(PT_LOAD, READ | PF_X, b"code");
    const DATA: Segment = Segment(PT_LOAD, READ | PF_W, b"data");
    const STACK: Segment = Segment(PT_GNU_STACK, READ | PF_W, b"");

    const fn interpreter(path: &'static [u8]) -> Segment {
        Segment(PT_INTERP, READ, path)
    }

    /// A program with these program headers and nothing else.
    fn program(segments: &[Segment]) -> Vec<u8> {
        let mut bytes = vec![0_u8; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16] = 3;
        bytes[18] = 62;
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = u8::try_from(segments.len()).unwrap();
        let mut offset = 64 + 56 * segments.len() as u64;
        for Segment(kind, flags, content) in segments {
            let length = content.len() as u64;
            bytes.extend(kind.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
            for number in [offset, 0, 0, length, length, 1] {
                bytes.extend(number.to_le_bytes());
            }
            offset += length;
        }
        bytes.extend(segments.iter().flat_map(|Segment(_, _, content)| content.iter()));
        bytes
    }

    fn problem(segments: &[Segment]) -> String {
        linkage(&file(&program(segments))).unwrap_err()
    }

    #[test]
    fn a_program_that_names_an_interpreter_is_dynamic() {
        let image = program(&[CODE, interpreter(b"/lib64/ld-linux-x86-64.so.2\0"), DATA, STACK]);
        assert_eq!(linkage(&file(&image)), Ok(Linkage::Dynamic));
    }

    #[test]
    fn a_program_that_names_none_is_static() {
        assert_eq!(linkage(&file(&program(&[CODE, DATA, STACK]))), Ok(Linkage::Static));
    }

    #[test]
    fn this_test_is_a_program() {
        let own = File::open(std::env::current_exe().unwrap()).unwrap();
        assert!(linkage(&own).is_ok());
    }

    #[test]
    fn a_program_with_an_executable_stack_is_refused() {
        let refused = "asks for an executable stack: link it with `-z noexecstack`";
        assert_eq!(problem(&[CODE, Segment(PT_GNU_STACK, READ | PF_W | PF_X, b"")]), refused);
        // The kernel goes by the last one.
        assert_eq!(problem(&[CODE, STACK, Segment(PT_GNU_STACK, PF_X, b"")]), refused);
        assert_eq!(problem(&[CODE, Segment(PT_GNU_STACK, PF_X, b""), STACK]), refused);
    }

    #[test]
    fn a_program_that_does_not_speak_of_its_stack_is_refused() {
        assert_eq!(
            problem(&[CODE, DATA]),
            "does not say that its stack is not executable (no PT_GNU_STACK): link it with `-z noexecstack`"
        );
    }

    #[test]
    fn a_program_whose_memory_is_writable_and_executable_is_refused() {
        assert_eq!(
            problem(&[Segment(PT_LOAD, READ | PF_W | PF_X, b"both"), STACK]),
            "asks for memory that is writable and executable: link it without `-N` and `--omagic`"
        );
    }

    #[test]
    fn a_program_whose_code_is_longer_than_its_file_is_refused() {
        let mut image = program(&[CODE, STACK]);
        let memory_bytes = 64 + 40;
        image[memory_bytes] += 1;
        assert_eq!(
            linkage(&file(&image)),
            Err("asks for memory that is writable and executable: link it without `-N` and `--omagic`"
                .to_owned())
        );
    }

    #[test]
    fn an_interpreter_outside_the_libraries_is_refused_by_its_name() {
        for path in [
            &b"/data/loader\0"[..],
            b"lib/ld.so\0",
            b"/lib/../data/loader\0",
            b"/lib/./ld.so\0",
            b"/lib//ld.so\0",
            b"/lib/\0",
            b"/lib\0",
            b"/libx/ld.so\0",
            b"/lib\n/ld.so\0",
            b"/data/x\0/lib/ld.so\0",
            b"\0",
        ] {
            let text = path.split(|byte| *byte == 0).next().unwrap();
            let shown = format!("{:?}", std::str::from_utf8(text).unwrap());
            let found = problem(&[CODE, Segment(PT_INTERP, READ, path), STACK]);
            let fix = "is not below /lib, /lib64 or /usr/lib: link it with the loader of the system";
            assert_eq!(found, format!("names an interpreter, {shown}, that {fix}"));
        }
    }

    #[test]
    fn an_interpreter_that_the_kernel_would_not_read_is_refused() {
        let long: &'static [u8] = Box::leak(vec![b'/'; 300].into_boxed_slice());
        for path in [&b""[..], b"/lib/ld.so", b"/lib/\xff\0", long] {
            assert_eq!(
                problem(&[CODE, Segment(PT_INTERP, READ, path), STACK]),
                "has a malformed interpreter path"
            );
        }
        let mut image = program(&[interpreter(b"/lib/ld.so\0"), STACK]);
        image[64 + 8..64 + 16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(linkage(&file(&image)), Err("has a malformed interpreter path".to_owned()));
    }

    #[test]
    fn every_interpreter_is_looked_at() {
        let second = [interpreter(b"/lib64/ld-linux-x86-64.so.2\0"), interpreter(b"/data/x\0"), STACK];
        assert!(problem(&second).starts_with("names an interpreter, \"/data/x\""));
    }

    #[test]
    fn interpreters_lie_in_the_libraries_of_the_policy() {
        let core = derive_core(&CoreNeeds::default(), Linkage::Dynamic, &Tables::builtin());
        let policy: Vec<&str> = core.libraries.iter().map(|rule| rule.inside.as_str()).collect();
        assert_eq!(policy, LIBRARIES);
    }

    #[test]
    fn a_script_is_called_one() {
        let script = format!("#!/bin/sh\n{}", " ".repeat(64));
        assert_eq!(
            linkage(&file(script.as_bytes())),
            Err("is not an ELF program (it is a script)".to_owned())
        );
    }

    #[test]
    fn a_program_cut_short_anywhere_is_refused() {
        let whole = program(&[STACK, interpreter(b"/lib/ld.so\0")]);
        assert_eq!(linkage(&file(&whole)), Ok(Linkage::Dynamic));
        for length in 0..whole.len() {
            assert!(linkage(&file(&whole[..length])).is_err(), "{length}");
        }
    }

    #[test]
    fn a_program_header_table_far_beyond_the_end_is_refused() {
        let mut bytes = program(&[CODE]);
        bytes[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(linkage(&file(&bytes)), Err("has a program header table beyond its end".to_owned()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..300_usize, byte in any::<u8>(),
        ) {
            let _random = linkage(&file(&bytes));
            bytes = program(&[CODE, interpreter(b"/lib/ld.so\0"), DATA, STACK]);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _nearly_right = linkage(&file(&bytes));
        }
    }
}
