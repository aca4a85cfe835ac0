//! delete_module(2): takes a part of the kernel away, a security module's included. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Needs, Tried};
use crate::raw::{at, call, reached};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("remove-module", "remove a module from the kernel", run)
    .needing(Needs::Call("delete_module"));

fn run(_: &Context) -> Tried {
    let name = at(c"escape_artist_has_no_module".to_bytes_with_nul());
    reached(call(libc::SYS_delete_module, &[name, libc::O_NONBLOCK.into()]), Errno::ENOENT)
}
