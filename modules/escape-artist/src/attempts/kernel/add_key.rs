//! add_key(2): kernel memory, and a place to leave something for others of its user. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{at, call};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("add-key", "add a key", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let (kind, name) = (at(c"user".to_bytes_with_nul()), at(c"escape-artist".to_bytes_with_nul()));
    let (secret, keyring_of_the_process) = (at(b"key"), -2);
    call(libc::SYS_add_key, &[kind, name, secret, 3, keyring_of_the_process])?;
    succeeded("added it")
}
