//! XML as callers of WeCom write it, read into JSON: children become fields, repeated ones a list.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// Levels that are read.
const DEPTH: usize = 32;

/// Reads what is inside the outermost element.
pub(crate) fn read(document: &str) -> Option<Value> {
    let mut reader = Reader::from_str(document);
    let mut open: Vec<(String, Map<String, Value>, String)> = Vec::new();
    loop {
        match reader.read_event().ok()? {
            // Deeper than anybody writes.
            Event::Start(_) if open.len() >= DEPTH => return None,
            Event::Start(start) => {
                open.push((start.local_name().as_ref().to_owned(), Map::new(), String::new()));
            }
            Event::Empty(start) => {
                let name = start.local_name().as_ref().to_owned();
                put(&mut open.last_mut()?.1, name, Value::String(String::new()));
            }
            Event::CData(text) => open.last_mut()?.2.push_str(&text),
            Event::Text(text) => {
                if let Some(inside) = open.last_mut() {
                    inside.2.push_str(&text);
                }
            }
            Event::GeneralRef(name) => {
                let text = match name.resolve_char_ref().ok()? {
                    Some(letter) => letter.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&name)?.to_owned(),
                };
                open.last_mut()?.2.push_str(&text);
            }
            Event::End(_) => {
                let (name, children, text) = open.pop()?;
                let value = if children.is_empty() { Value::String(text) } else { Value::Object(children) };
                match open.last_mut() {
                    Some(parent) => put(&mut parent.1, name, value),
                    None => return Some(value),
                }
            }
            Event::Eof | Event::DocType(_) => return None,
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
        }
    }
}

fn put(fields: &mut Map<String, Value>, name: String, value: Value) {
    match fields.get_mut(&name) {
        None => fields.extend([(name, value)]),
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

/// An element with a text as WeCom writes it.
pub(crate) fn cdata(name: &str, text: &str) -> String {
    format!("<{name}><![CDATA[{}]]></{name}>", text.replace("]]>", "]]]]><![CDATA[>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_elements_become_a_list() {
        let read = read("<xml><A><![CDATA[1]]></A>\n<B><C>x &amp; &#121;</C></B><D>1</D><D>2</D></xml>").unwrap();
        assert_eq!(read, serde_json::json!({ "A": "1", "B": { "C": "x & y" }, "D": ["1", "2"] }));
    }
}
