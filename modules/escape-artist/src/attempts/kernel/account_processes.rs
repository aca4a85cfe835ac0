//! acct(2): a record of every process that ends, in a file of its choice. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Needs, Tried};
use crate::raw::{at, call, reached};
use crate::steps::c_path;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("account-processes", "have the kernel record every process", run)
        .needing(Needs::Call("acct"));

fn run(context: &Context) -> Tried {
    let path = c_path(&context.data_dir.join("no-such-record"))?;
    reached(call(libc::SYS_acct, &[at(path.as_bytes_with_nul())]), Errno::ENOENT)
}
