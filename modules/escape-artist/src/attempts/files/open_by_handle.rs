//! open_by_handle_at(2) opens a file by its inode number, past every directory: `shocker`, by which Docker before 1.0
//! could be left with CAP_DAC_READ_SEARCH. The filter answers, and kills.

use std::fs;

use crate::attempt::{Attempt, Context, Errno, Tried};
use crate::raw::{at, call, reached};
use crate::steps::{number, own_directory};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("open-by-handle", "open a file by its handle", run);

use std::os::unix::fs::MetadataExt;

/// A handle of type FILEID_INO32_GEN for an inode. The kernel may find it stale, which it can only say after it looked.
fn run(context: &Context) -> Tried {
    const FILEID_INO32_GEN: u32 = 1;
    let directory = own_directory(context)?;
    let inode = fs::metadata(&context.data_dir)?.ino();
    let low = u32::try_from(inode & 0xffff_ffff).unwrap_or_default();
    let handle = [8, FILEID_INO32_GEN, low, 0];
    let opened = call(libc::SYS_open_by_handle_at, &[number(&directory), at(&handle), 0]);
    reached(opened, Errno::ESTALE)
}
