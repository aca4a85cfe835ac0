//! The probe: what runs inside a module's sandbox while it is examined. It makes the calls that the launcher asks
//! for and says what came back. It decides nothing, and means no harm: whatever it can do, a module could.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::sys::inside;

/// A request is a number and six arguments.
pub(super) const REQUEST_BYTES: usize = 7 * 8;

/// A request for what can be reached by paths, instead of a call.
pub(super) const PATHS: u64 = u64::MAX;
/// A request for a call through the 32-bit entry.
pub(super) const BY_32_BIT_ENTRY: u64 = u64::MAX - 1;

/// What a file system of a host has, and a sandbox has not.
const PATHS_OF_A_HOST: [&str; 22] = [
    "/bin",
    "/boot",
    "/dev",
    "/dev/shm",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/state",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/lib",
    "/usr/lib64",
    "/var",
];

/// Answers requests until the launcher closes the connection.
pub fn serve() {
    let mut link = inside::connection();
    while let Some([number, arguments @ ..]) = request(&mut link) {
        let answer = match number {
            PATHS => paths().into_bytes(),
            BY_32_BIT_ENTRY => inside::call_by_32_bit_entry().to_le_bytes().to_vec(),
            number => inside::call(number, &arguments).to_le_bytes().to_vec(),
        };
        let length = u32::try_from(answer.len()).unwrap_or(u32::MAX).to_le_bytes();
        if link.write_all(&length).and_then(|()| link.write_all(&answer)).is_err() {
            return;
        }
    }
}

fn request(link: &mut UnixStream) -> Option<[u64; 7]> {
    let mut bytes = [0_u8; REQUEST_BYTES];
    link.read_exact(&mut bytes).ok()?;
    let mut words = [0_u64; 7];
    for (word, part) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(part.try_into().ok()?);
    }
    Some(words)
}

/// A line for each path that exists: whether a file can be made there, and whether that can be mapped to be executed.
fn paths() -> String {
    let data = std::env::args().skip_while(|argument| argument != "--data-dir").nth(1);
    let mut text = String::new();
    let hosts = PATHS_OF_A_HOST.iter().map(|path| (*path).to_owned());
    for path in ["/".to_owned()].into_iter().chain(hosts).chain(data) {
        if fs::symlink_metadata(&path).is_ok() {
            text.push_str(&format!("{path}\t{}\n", writable(&path)));
        }
    }
    text
}

fn writable(path: &str) -> &'static str {
    let trial = format!("{}/.cofferdam-examined", path.trim_end_matches('/'));
    let made = File::options().read(true).write(true).create_new(true).open(&trial);
    let answer = match made {
        Err(_) => "read",
        Ok(mut file) => match file.write_all(&[0xc3; 4096]).map(|()| inside::map_to_execute(&file)) {
            Ok(Ok(())) => "write execute",
            Ok(Err(_)) => "write",
            Err(_) => "read",
        },
    };
    // What could not be made need not be removed.
    let _not_there = fs::remove_file(&trial);
    answer
}
