//! Any system call, with any arguments, from safe code.
//!
//! `nc` 0.7 has functions for raw system calls that are not marked unsafe, which no honest program should use: an attacker
//! is not bound by Rust's rules, and the attempts that no safe library makes are made with them. The calls here are given
//! memory that lives until they return, or none. The 32-bit entry (`int 0x80`) is not among them: it needs assembly, and
//! `cofferdam audit --verify` makes that call.

use nix::errno::Errno;

use crate::attempt::{Refused, Tried, succeeded};

/// The most arguments that a system call has.
const MOST: usize = 6;

/// Makes the call. Arguments that are not given are zero.
///
/// # Errors
/// What the kernel, or the filter in front of it, answered.
pub(crate) fn call(number: i64, arguments: &[i64]) -> Result<i64, Refused> {
    let mut words = [0; MOST];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = usize_of(*argument);
    }
    let [first, second, third, fourth, fifth, sixth] = words;
    nc::syscalls::syscall6(usize_of(number), first, second, third, fourth, fifth, sixth)
        .map(|returned| i64::try_from(returned).unwrap_or(i64::MAX))
        .map_err(|errno| Errno::from_raw(errno).into())
}

/// For calls that would harm the machine if they did what they are for: they are made with an argument that only the
/// kernel's own code finds wrong, so that this one error shows that the kernel took the call.
pub(crate) fn reached(result: Result<i64, Refused>, by: Errno) -> Tried {
    match result {
        Ok(returned) => succeeded(format!("the kernel took the call and returned {returned}")),
        Err(Refused::Errno(errno)) if errno == by => {
            succeeded(format!("the kernel took the call, and only its arguments were wrong ({errno:?})"))
        }
        Err(refused) => Err(refused),
    }
}

/// The address of memory that the kernel may read.
pub(crate) fn at<T>(memory: &[T]) -> i64 {
    address(memory.as_ptr().expose_provenance())
}

/// The address of memory that the kernel may write to.
pub(crate) fn into<T>(memory: &mut [T]) -> i64 {
    address(memory.as_mut_ptr().expose_provenance())
}

fn address(address: usize) -> i64 {
    address.cast_signed().try_into().unwrap_or_default()
}

fn usize_of(word: i64) -> usize {
    isize::try_from(word).unwrap_or_default().cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_call_returns_what_the_kernel_returns() {
        assert_eq!(call(libc::SYS_getpid, &[]).unwrap(), i64::from(std::process::id()));
        assert!(matches!(call(libc::SYS_close, &[-1]), Err(Refused::Errno(Errno::EBADF))));
    }

    #[test]
    fn the_kernel_writes_to_the_memory_it_is_given() {
        let mut bytes = [0_u8; 16];
        assert_eq!(call(libc::SYS_getrandom, &[into(&mut bytes), 16]).unwrap(), 16);
        assert_ne!(bytes, [0; 16]);
    }
}
