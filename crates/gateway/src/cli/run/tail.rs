//! The end of what a command says: its last lines, harmless inside WeCom's markdown, and no longer than a message takes.

use std::collections::VecDeque;

use domain::escape_markdown;

/// How many lines are shown, and how many bytes in all: with the rest of the message less than the 2048 that an
/// application's markdown takes (path/90236).
const LINES: usize = 20;
const BYTES: usize = 1200;
/// How much of one line is remembered, in bytes: its end.
const LINE_BYTES: usize = 4 * BYTES;
/// What each line costs besides: its mark as a quotation, and its end.
const MARK: usize = 3;

/// Remembers the last lines of two streams in the order in which they ended.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    /// Lines that have not ended, one a stream.
    open: [Vec<u8>; 2],
}

impl Tail {
    /// Adds what a stream has said.
    pub(super) fn push(&mut self, stream: usize, part: &[u8]) {
        let mut open = std::mem::take(&mut self.open[stream]);
        let mut pieces = part.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            open.extend_from_slice(piece);
            // A line without an end must not fill the memory.
            if open.len() > 2 * LINE_BYTES {
                open.drain(..open.len() - LINE_BYTES);
            }
            if pieces.peek().is_some() {
                self.end(&open);
                open.clear();
            }
        }
        self.open[stream] = open;
    }

    fn end(&mut self, line: &[u8]) {
        let line = readable(line);
        if line.trim().is_empty() {
            return;
        }
        self.lines.push_back(line);
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }

    /// The last lines, escaped, the oldest first.
    pub(super) fn shown(&self) -> String {
        let mut all = Self { lines: self.lines.clone(), open: Default::default() };
        self.open.iter().for_each(|line| all.end(line));
        let (mut shown, mut left) = (VecDeque::new(), BYTES);
        for line in all.lines.iter().rev() {
            let line = escape_markdown(line);
            if line.len() + MARK <= left {
                left -= line.len() + MARK;
                shown.push_front(line);
                continue;
            }
            // The last line is shown in any case: as much of its end as there is room for.
            if shown.is_empty() {
                let room = BYTES - MARK - '…'.len_utf8();
                let start = (line.len() - room..line.len()).find(|at| line.is_char_boundary(*at)).unwrap_or(0);
                shown.push_front(format!("…{}", &line[start..]));
            }
            break;
        }
        Vec::from(shown).join("\n")
    }
}

/// A line as a person would have seen it: without colours, and only what a progress bar said last.
fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    let mut seen = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == '\u{1b}' {
            if chars.next() == Some('[') {
                let _sequence = chars.by_ref().find(|char| ('@'..='~').contains(char));
            }
        } else if char == '\t' {
            seen.push(' ');
        } else if !char.is_control() {
            seen.push(char);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parts: &[(usize, &str)]) -> String {
        let mut tail = Tail::default();
        for (stream, part) in parts {
            tail.push(*stream, part.as_bytes());
        }
        tail.shown()
    }

    #[test]
    fn lines_of_both_streams_are_shown_as_they_ended_and_without_marks() {
        assert_eq!(shown(&[(0, "one\ntw"), (1, "bad *thing*\n"), (0, "o\n\n")]), "one\nbad ＊thing＊\ntwo");
        assert_eq!(shown(&[(0, "\u{1b}[31mred\u{1b}[0m\n 10%\r 99%\r\nlast")]), "red\n 99%\nlast");
        assert_eq!(shown(&[]), "");
    }

    #[test]
    fn no_more_is_shown_than_fits() {
        let many: String = (0..1000).map(|i| format!("line {i}\n")).collect();
        let lines = shown(&[(0, &many)]);
        assert_eq!((lines.lines().count(), lines.lines().next()), (20, Some("line 980")));
        let wide: String = (0..20).map(|i| format!("{i} {}\n", "宽".repeat(50))).collect();
        let lines = shown(&[(1, &wide)]);
        assert!(lines.len() <= BYTES && lines.lines().count() == 7 && lines.starts_with("13 "), "{lines}");
        let endless = shown(&[(0, &"好".repeat(100_000))]);
        assert!(endless.len() <= BYTES && endless.starts_with("…好"), "{}", endless.len());
    }
}
