//! swapon(2): the memory of everybody. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Needs, Tried};
use crate::raw::{at, call, reached};
use crate::steps::c_path;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("add-swap", "add swap space", run).needing(Needs::Call("swapon"));

fn run(context: &Context) -> Tried {
    let path = c_path(&context.data_dir.join("no-such-swap"))?;
    reached(call(libc::SYS_swapon, &[at(path.as_bytes_with_nul())]), Errno::ENOENT)
}
