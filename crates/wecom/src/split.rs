//! Splits a text that is too long for one message. Knows nothing about messages: bytes in, slices of the same text out.
//!
//! A part never breaks a character or what reads as one, a link, a mention, a coloured stretch or inline code, unless
//! that alone is larger than a part. The parts joined are the text.

use unicode_segmentation::UnicodeSegmentation as _;

/// Splits plain text into parts of at most `limit` bytes.
///
/// Cuts where it hurts least: after an empty line, a line, a sentence, a blank; `<a href="…">…</a>` and `<@userid>` stay
/// whole.
///
/// ```
/// let parts = wecom::split::text("生产计划已更新。\n请确认。", 26);
/// assert_eq!(parts, ["生产计划已更新。\n", "请确认。"]);
/// ```
pub fn text(text: &str, limit: usize) -> Vec<&str> {
    split(text, limit, plain_span)
}

/// Splits markdown into parts of at most `limit` bytes; links, coloured stretches and inline code stay whole, and a
/// fenced block of code stays whole if it fits into one part.
///
/// ```
/// let parts = wecom::split::markdown("# 告警\n[详情](https://example.com/a)", 36);
/// assert_eq!(parts, ["# 告警\n", "[详情](https://example.com/a)"]);
/// ```
pub fn markdown(text: &str, limit: usize) -> Vec<&str> {
    split(text, limit, markdown_span)
}

/// How many bytes at the start of a text must stay together; `None` where nothing special begins.
type Span = fn(&str) -> Option<usize>;

fn split(text: &str, limit: usize, span: Span) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let (part, after) = rest.split_at(cut(rest, limit, span));
        parts.push(part);
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

/// Where a cut reads best, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seam {
    Anywhere,
    Blank,
    Sentence,
    Line,
    Paragraph,
}

/// Finds where the first part of a text that is longer than `limit` ends.
fn cut(text: &str, limit: usize, span: Span) -> usize {
    // A better seam is worth half a part, no more.
    let least = limit / 2;
    let mut best: Option<(Seam, usize)> = None;
    let mut end = 0;
    while end < text.len() {
        let rest = &text[end..];
        // What does not fit into a part cannot stay whole: no need to look further.
        let whole = span(&rest[..rest.floor_char_boundary(limit)]);
        let atom = whole.unwrap_or_else(|| rest.graphemes(true).next().map_or(rest.len(), str::len));
        if end + atom > limit {
            break;
        }
        end += atom;
        let seam = seam_after(&text[..end]);
        if end >= least && best.is_none_or(|(known, _)| seam >= known) {
            best = Some((seam, end));
        }
    }
    match best {
        Some((seam, at)) if seam > Seam::Anywhere => at,
        _ if end > 0 => end,
        // One grapheme larger than a part: only characters are left to keep whole.
        _ => {
            (1..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_else(|| first_char(text))
        }
    }
}

fn seam_after(text: &str) -> Seam {
    match text.chars().next_back() {
        Some('\n') if text.ends_with("\n\n") => Seam::Paragraph,
        Some('\n') => Seam::Line,
        Some('。' | '！' | '？' | '；' | '!' | '?' | ';') => Seam::Sentence,
        Some(' ' | '\t' | '，' | '、' | ',') => Seam::Blank,
        _ => Seam::Anywhere,
    }
}

fn first_char(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// `<a …>…</a>`, `<@userid>`, and any other tag by itself.
fn plain_span(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    for (open, close) in [("<a ", "</a>"), ("<font ", "</font>")] {
        if text.starts_with(open) {
            return text.find(close).map(|at| at + close.len());
        }
    }
    let end = inside.find(['>', '<', '\n'])?;
    inside[end..].starts_with('>').then_some(end + 2)
}

fn markdown_span(text: &str) -> Option<usize> {
    if let Some(inside) = text.strip_prefix("```") {
        return inside.find("```").map(|at| at + 6);
    }
    if let Some(inside) = text.strip_prefix('`') {
        let end = inside.find(['`', '\n'])?;
        return inside[end..].starts_with('`').then_some(end + 2);
    }
    if text.starts_with("![") {
        return link(&text[1..]).map(|length| length + 1);
    }
    if text.starts_with('[') {
        return link(text);
    }
    plain_span(text)
}

/// `[label](target)`, on one line; a target may hold pairs of parentheses.
fn link(text: &str) -> Option<usize> {
    let label = text.find("](").filter(|at| !text[..*at].contains('\n'))?;
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate().skip(label + 1) {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(at + 1),
            b')' => depth -= 1,
            b'\n' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What must never be torn, in texts that are made of it.
    const PIECES: [&str; 10] = [
        "生产计划",
        "👨‍👩‍👧‍👦",
        "e\u{301}o\u{308}",
        "[详情](https://example.com/a_(b)?x=1)",
        "<a href=\"https://example.com\">链接</a>",
        "<font color=\"warning\">红</font>",
        "`code`",
        "```\nfn main() {}\n```",
        "\n",
        " word. ",
    ];

    #[test]
    fn every_length_is_split_within_both_limits() {
        for unit in ["中", "👨‍👩‍👧‍👦", "e\u{301}", "[a](b)", "```\nx\n```\n"] {
            let longest = unit.repeat(9000 / unit.len());
            for length in (unit.len()..=longest.len()).step_by(unit.len()) {
                let whole = &longest[..length];
                for limit in [2048, 4096] {
                    holds(whole, limit, &markdown(whole, limit));
                }
                // The same seams with fewer spans: some lengths tell.
                if length % 7 == 0 {
                    holds(whole, 2048, &text(whole, 2048));
                }
            }
        }
    }

    fn holds(whole: &str, limit: usize, parts: &[&str]) {
        assert_eq!(parts.concat(), whole);
        assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= limit));
        if whole.len() <= limit {
            assert_eq!(parts.len(), usize::from(!whole.is_empty()));
        }
    }

    proptest! {
        #[test]
        fn no_part_tears_what_belongs_together(indices in prop::collection::vec(0..PIECES.len(), 0..200), limit in 64_usize..400) {
            let whole: String = indices.iter().map(|i| PIECES[*i]).collect();
            let parts = markdown(&whole, limit);
            holds(&whole, limit, &parts);
            let mut borders = std::collections::BTreeSet::new();
            let mut at = 0;
            for part in &parts {
                borders.insert(at);
                at += part.len();
            }
            let mut at = 0;
            for piece in indices.iter().map(|i| PIECES[*i]) {
                // A pair of fences may be taken for another pair with what lies between: then that stays together.
                let loose = piece.contains(' ') || piece == "生产计划" || piece.starts_with("```") || piece.starts_with("e\u{301}");
                let torn = borders.iter().any(|border| at < *border && *border < at + piece.len());
                prop_assert!(loose || !torn, "{piece} is torn in {parts:?}");
                at += piece.len();
            }
        }

        #[test]
        fn any_text_survives(whole in "\\PC{0,600}", limit in 4_usize..200) {
            holds(&whole, limit, &text(&whole, limit));
            holds(&whole, limit, &markdown(&whole, limit));
        }
    }
}
