//! CSV in and out, in the encodings that spreadsheets write. Knows nothing about what the cells mean.

/// What divides several values within a cell.
pub(super) const DIVIDERS: [char; 4] = [';', '；', '|', '\n'];
/// What a spreadsheet would take for a formula at the beginning of a cell.
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

/// Reads bytes as text: UTF-8 with a byte-order mark or without, UTF-16 with one, else GB18030. `None` if it is none.
pub(super) fn decoded(bytes: &[u8]) -> Option<String> {
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(bytes) {
        let (text, wrong) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return (!wrong).then(|| text.into_owned());
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(text.to_owned());
    }
    let (text, wrong) = encoding_rs::GB18030.decode_without_bom_handling(bytes);
    (!wrong).then(|| text.into_owned())
}

/// A line of a table: its number, from 1, and its cells.
pub(super) type Row = (usize, Vec<String>);

/// Divides CSV (RFC 4180) into rows; what divides the cells is told by the first line: `,`, `;` or a tab.
///
/// # Errors
/// The number of the line whose quotes never end.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, usize> {
    let head = text.lines().next().unwrap_or_default();
    let divider =
        [',', '\t', ';'].into_iter().rev().max_by_key(|divider| head.matches(*divider).count()).unwrap_or(',');
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut began, mut quoted) = (1, 1, None::<usize>);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\n' {
            line += 1;
        }
        match (c, quoted) {
            ('"', Some(_)) if characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            ('"', Some(_)) => quoted = None,
            (c, Some(_)) => cell.push(c),
            ('"', None) if cell.is_empty() => quoted = Some(line),
            ('\r', None) if characters.peek() == Some(&'\n') => {}
            ('\n', None) => {
                row.push(std::mem::take(&mut cell));
                rows.push((began, std::mem::take(&mut row)));
                began = line;
            }
            (c, None) if c == divider => row.push(std::mem::take(&mut cell)),
            (c, None) => cell.push(c),
        }
    }
    if let Some(line) = quoted {
        return Err(line);
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push((began, row));
    }
    rows.retain(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty()));
    Ok(rows)
}

/// What people chose themselves must not become a formula where the table is opened.
pub(super) fn harmless(cell: &str) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell.to_owned() }
}

/// Takes away what [`harmless`] put before.
pub(super) fn plain(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA)).unwrap_or(cell)
}

/// Writes a cell.
pub(super) fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(usize, Vec<String>)> {
        rows(text).unwrap()
    }

    #[test]
    fn rows_and_cells_are_divided_as_spreadsheets_write_them() {
        let expected = |rows: &[(usize, &[&str])]| -> Vec<(usize, Vec<String>)> {
            rows.iter().map(|(line, cells)| (*line, cells.iter().map(|cell| (*cell).to_owned()).collect())).collect()
        };
        assert_eq!(
            cells("a,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n\r\n3,"),
            expected(&[(1, &["a", "b"]), (2, &["1", "x, \"y\"\nz"]), (5, &["3", ""])])
        );
        assert_eq!(cells("a;b\n1;2\n"), expected(&[(1, &["a", "b"]), (2, &["1", "2"])]));
        assert_eq!(cells("a\tb\n1\t2"), expected(&[(1, &["a", "b"]), (2, &["1", "2"])]));
        assert_eq!(rows("a,b\n1,\"open"), Err(2));
    }

    #[test]
    fn texts_are_read_in_the_encodings_that_there_are() {
        let (gb, _, _) = encoding_rs::GB18030.encode("张三,生产计划部");
        for bytes in [gb.as_ref(), "\u{feff}张三,生产计划部".as_bytes(), "张三,生产计划部".as_bytes()] {
            assert_eq!(decoded(bytes).as_deref(), Some("张三,生产计划部"));
        }
        assert_eq!(decoded(b"\xff\xff\xff"), None);
    }
}
