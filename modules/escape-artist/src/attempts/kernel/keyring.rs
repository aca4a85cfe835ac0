//! keyctl(2): keyrings are shared by all programs of a user, and had bugs of their own (CVE-2016-0728). The filter
//! answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("keyring", "reach the kernel's keyrings", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let (get_id, of_the_process, make_it) = (0, -2, 1);
    call(libc::SYS_keyctl, &[get_id, of_the_process, make_it])?;
    succeeded("made a keyring")
}
