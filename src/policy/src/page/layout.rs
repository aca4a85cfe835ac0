//! Lays out plain text: sections, hanging paragraphs, columns. No line is longer than a terminal is wide unless
//! a single word is.

/// The longest line, in characters.
const WIDTH: usize = 100;

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Layout {
    text: String,
}

impl Layout {
    /// Begins a section.
    pub(super) fn section(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line(0, title);
    }

    /// A paragraph, every line of it indented.
    pub(super) fn paragraph(&mut self, indent: usize, text: &str) {
        self.hanging(indent, "", indent, text);
    }

    /// A paragraph whose first line begins with a label and whose text begins at `column` on every line. A
    /// label that reaches the column gets a line of its own.
    pub(super) fn hanging(&mut self, indent: usize, label: &str, column: usize, text: &str) {
        let mut line = format!("{:indent$}{label}", "");
        if !label.is_empty() && length(&line).saturating_add(1) > column {
            self.end(&line);
            line.clear();
        }
        pad(&mut line, column);
        let mut empty = true;
        for word in text.split_whitespace() {
            if !empty && length(&line).saturating_add(length(word)) >= WIDTH {
                self.end(&line);
                line = format!("{:column$}", "");
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.end(&line);
    }

    /// One line as it is.
    pub(super) fn line(&mut self, indent: usize, text: &str) {
        self.end(&format!("{:indent$}{text}", ""));
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn end(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn pad(line: &mut String, column: usize) {
    let missing = column.saturating_sub(length(line));
    line.extend(std::iter::repeat_n(' ', missing));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hanging(label: &str, text: &str) -> String {
        let mut layout = Layout::default();
        layout.hanging(2, label, 8, text);
        layout.finish()
    }

    #[test]
    fn text_begins_at_its_column_on_every_line() {
        let text = "word ".repeat(30);
        let page = hanging("key", &text);
        let lines: Vec<&str> = page.lines().collect();
        assert!(lines[0].starts_with("  key   word"));
        assert!(lines[1].starts_with("        word"));
    }

    #[test]
    fn a_long_label_gets_its_own_line() {
        assert_eq!(hanging("a_long_label", "text"), "  a_long_label\n        text\n");
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_the_page(label in "[a-z_]{0,40}", text in "([a-z]{1,20} ){0,60}") {
            for line in hanging(&label, &text).lines() {
                prop_assert!(line.chars().count() <= WIDTH);
            }
        }
    }
}
