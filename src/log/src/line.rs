//! Log lines on stderr, which is a pipe to the launcher: `<module>: <message>`, and about the core itself only the
//! message.
//!
//! The launcher adds the time and that the core wrote it. Much of what is logged was written by somebody hostile, so every record
//! becomes exactly one line of bounded length in which nothing can act on a terminal or be mistaken for
//! another line. It never drops a record and never looks at what it says.

use std::fmt::{self, Write as _};

use cofferdam_control::is_deceptive;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The longest line with its end, in bytes: up to `PIPE_BUF`, a write to a pipe is not mixed with another
/// thread's (pipe(7)).
const MAX_LINE_BYTES: usize = 4096;

/// What follows a line that was cut.
const CUT: &str = " [cut]";

/// Sends the records of this process to stderr. A second call changes nothing.
pub fn init() {
    let subscriber = tracing_subscriber::fmt()
        .event_format(Line)
        .with_max_level(LevelFilter::INFO)
        .with_writer(std::io::stderr)
        .finish();
    // Fails where a subscriber is set already, which is then the one somebody wanted.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Formats one record as one line.
pub(crate) struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut record = Record::default();
        event.record(&mut record);
        out.write_str(&record.into_line())
    }
}

#[derive(Default)]
struct Record {
    subject: String,
    message: String,
    fields: String,
}

impl Record {
    fn into_line(self) -> String {
        let colon = if self.subject.is_empty() { "" } else { ": " };
        let mut line = String::new();
        for part in [&self.subject, colon, &self.message, &self.fields] {
            if !push_escaped(&mut line, part, MAX_LINE_BYTES - CUT.len() - 1) {
                line.push_str(CUT);
                break;
            }
        }
        line.push('\n');
        line
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String fails only where a Debug implementation says so; the rest of the record stands.
        let _ = match field.name() {
            "subject" => write!(self.subject, "{value:?}"),
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// Appends `text` so that it stays on its line, until the line has `max_bytes`. Says whether all of it fitted.
fn push_escaped(line: &mut String, text: &str, max_bytes: usize) -> bool {
    for letter in text.chars() {
        let before = line.len();
        if needs_escape(letter) {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
        if line.len() > max_bytes {
            line.truncate(before);
            return false;
        }
    }
    true
}

/// The text as a log line would have it, for those who may print it elsewhere.
pub fn escaped(text: &str) -> String {
    let mut line = String::new();
    push_escaped(&mut line, text, MAX_LINE_BYTES);
    line
}

/// What acts on the text around it. The backslash too, so that an escape can't be forged.
fn needs_escape(letter: char) -> bool {
    letter == '\\' || is_deceptive(letter)
}

#[cfg(any(test, feature = "captured"))]
pub mod captured {
    //! What is logged on this thread, for tests of the lines an operator sees.

    use std::io;
    use std::sync::{Arc, Mutex};

    /// The lines so far.
    #[derive(Debug, Clone, Default)]
    pub struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        /// Captures until the guard is dropped.
        pub fn start() -> (Self, tracing::subscriber::DefaultGuard) {
            let captured = Self::default();
            let writer = captured.clone();
            let subscriber = tracing_subscriber::fmt()
                .event_format(super::Line)
                .with_writer(move || writer.clone())
                .finish();
            (captured, tracing::subscriber::set_default(subscriber))
        }

        /// The lines so far, as one text.
        #[must_use]
        #[allow(clippy::unwrap_used, reason = "for tests only")]
        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Captured {
        #[allow(clippy::unwrap_used, reason = "for tests only")]
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::captured::Captured;
    use super::*;
    use proptest::prelude::*;

    fn line(subject: &str, message: &str) -> String {
        let record =
            Record { subject: subject.to_owned(), message: message.to_owned(), fields: String::new() };
        record.into_line()
    }

    #[test]
    fn a_record_is_its_subject_its_message_and_its_fields() {
        let (log, _guard) = Captured::start();
        tracing::info!("ready");
        tracing::warn!(subject = %"block-watch", blocks = 3, "fell behind");
        assert_eq!(log.text(), "ready\nblock-watch: fell behind blocks=3\n");
    }

    #[test]
    fn text_of_a_module_cannot_begin_a_line_of_its_own() {
        let forged = line("a", "hello\ncore: all modules are fine\r\u{1b}[2J");
        assert_eq!(forged, "a: hello\\ncore: all modules are fine\\r\\u{1b}[2J\n");
    }

    #[test]
    fn marks_that_reorder_text_are_shown_as_what_they_are() {
        assert_eq!(line("a", "x\u{202e}y\u{2066}z"), "a: x\\u{202e}y\\u{2066}z\n");
    }

    #[test]
    fn a_long_record_is_cut_and_says_so() {
        let cut = line("a", &"x".repeat(10_000));
        assert!(cut.len() <= MAX_LINE_BYTES && cut.ends_with("x [cut]\n"));
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_is_one_bounded_printable_line(text in any::<String>(), times in 1_usize..200) {
            let line = line("a", &text.repeat(times));
            prop_assert!(line.len() <= MAX_LINE_BYTES);
            prop_assert_eq!(line.matches(char::is_control).collect::<String>(), "\n");
            prop_assert!(line.ends_with('\n'));
        }
    }
}
