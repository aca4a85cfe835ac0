//! open(2) of a file that only its owner may read: keys, cookies, wallets. The mounts answer; its uid and Landlock
//! would too.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::read;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "read-operator-file",
    "read a file of the operator's",
    Layer::Mounts,
    Errno::ENOENT,
    |context| read(&context.operator_file),
);
