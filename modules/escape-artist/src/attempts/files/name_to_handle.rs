//! name_to_handle_at(2) turns a path into a handle, the half of `shocker` that needs no Linux capability. The filter
//! answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{at, call, into};
use crate::steps::c_path;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "name-to-handle",
    "learn the handle of its directory",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

const HANDLE_BYTES: usize = 136;

fn run(context: &Context) -> Tried {
    let path = c_path(&context.data_dir)?;
    let (mut handle, mut mount) = ([0_u8; HANDLE_BYTES], [0_i32; 1]);
    handle[..4].copy_from_slice(&128_u32.to_ne_bytes());
    let arguments =
        [libc::AT_FDCWD.into(), at(path.as_bytes_with_nul()), into(&mut handle), into(&mut mount), 0];
    call(libc::SYS_name_to_handle_at, &arguments)?;
    succeeded(format!("it lies on mount {}", mount[0]))
}
