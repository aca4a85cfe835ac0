//! Datagrams between core and launcher, in both directions, and the texts of hostile programs that both pass on.

use std::fmt::Debug;

use cofferdam_audit::Text;
use cofferdam_control::{Ask, Report, decode, encode, is_deceptive, shorten};
use cofferdam_document::{escape, quote};

/// What either side may be sent.
pub(crate) fn control(datagram: &[u8]) {
    is_the_same_when_sent_on::<Ask>(datagram);
    is_the_same_when_sent_on::<Report>(datagram);
}

fn is_the_same_when_sent_on<T>(datagram: &[u8])
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + Debug,
{
    let Ok(message) = decode::<T>(datagram) else { return };
    // Fails for one that is at the limit: a field that may be left out is written.
    let Ok(bytes) = encode(&message) else { return };
    assert_eq!(decode::<T>(&bytes).expect("what was written is read"), message);
}

/// Text of a program or a manifest on its way to a log, a page or the audit log.
pub(crate) fn text(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let shortened = shorten(&text);
    assert!(text.starts_with(&shortened) && shortened.len() <= cofferdam_control::MAX_TEXT_BYTES);
    let recorded = Text::new(&text);
    assert!(recorded.as_str().len() <= Text::MAX_BYTES);
    assert_eq!(Text::new(recorded.as_str()), recorded, "it is read as it was written");
    for shown in [recorded.as_str(), &cofferdam_log::escaped(&text), &escape(&text), &quote(&text)] {
        assert_eq!(shown.chars().find(|character| is_deceptive(*character)), None, "in {shown:?}");
    }
}
