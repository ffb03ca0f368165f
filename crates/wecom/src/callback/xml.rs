//! XML as WeCom sends it, read into a small tree, and written back. Hostile input is refused: no document type, no
//! entities but the five that XML itself has, at most 64 KiB, at most 16 levels.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::Refusal;

/// The largest body that is read.
pub const MAX_BYTES: usize = 64 * 1024;
/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 16;

/// An element: text or children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    name: String,
    text: String,
    children: Vec<Self>,
}

impl Element {
    /// Starts an empty element.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), text: String::new(), children: Vec::new() }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if it is no XML, too large, too deep, or has a document type or entities of its own.
    pub fn parse(document: &[u8]) -> Result<Self, Refusal> {
        if document.len() > MAX_BYTES {
            return Err(Refusal::Malformed);
        }
        let text = std::str::from_utf8(document).map_err(|_| Refusal::Malformed)?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let mut open: Vec<Self> = Vec::new();
        loop {
            match reader.read_event().map_err(|_| Refusal::Malformed)? {
                Event::Start(start) if open.len() < MAX_DEPTH => open.push(Self::new(name_of(&start))),
                Event::Empty(start) if open.len() < MAX_DEPTH => {
                    let element = Self::new(name_of(&start));
                    let Some(parent) = open.last_mut() else { return Ok(element) };
                    parent.children.push(element);
                }
                Event::End(_) => {
                    let Some(mut element) = open.pop() else { return Err(Refusal::Malformed) };
                    if !element.children.is_empty() {
                        element.text.clear();
                    }
                    let Some(parent) = open.last_mut() else { return Ok(element) };
                    parent.children.push(element);
                }
                Event::Text(text) => append(&mut open, &text),
                Event::CData(text) => append(&mut open, &text),
                Event::GeneralRef(reference) => append(&mut open, &resolved(&reference)?),
                Event::Decl(_) | Event::Comment(_) => {}
                // A document type, an instruction, the end before its time, or one level too many.
                Event::Start(_) | Event::Empty(_) | Event::DocType(_) | Event::PI(_) | Event::Eof => {
                    return Err(Refusal::Malformed);
                }
            }
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text, as it is.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the elements inside, in their order.
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// Returns the first element of that name, whatever its case: WeCom's own pages differ.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name.eq_ignore_ascii_case(name))
    }

    /// Returns all elements of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name.eq_ignore_ascii_case(name))
    }

    /// Returns the text of the element of that name; an absent one has none.
    pub fn text_of(&self, name: &str) -> &str {
        self.child(name).map(|child| child.text.trim()).unwrap_or_default()
    }

    /// Returns the text of the element of that name; `None` if it is absent or empty.
    pub fn owned(&self, name: &str) -> Option<String> {
        Some(self.text_of(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Returns the number in the element of that name; `None` if it is absent or no number.
    pub fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text_of(name).parse().ok()
    }

    /// Adds an element with a text.
    #[must_use]
    pub fn with(mut self, name: &str, text: impl Into<String>) -> Self {
        self.children.push(Self { name: name.to_owned(), text: text.into(), children: Vec::new() });
        self
    }

    /// Adds an element with a text, if there is one.
    #[must_use]
    pub fn with_some(self, name: &str, text: Option<impl Into<String>>) -> Self {
        match text {
            Some(text) => self.with(name, text),
            None => self,
        }
    }

    /// Adds an element.
    #[must_use]
    pub fn with_child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }
}

impl fmt::Display for Element {
    /// Writes it as XML: numbers as they are, other texts as CDATA.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.name)?;
        if self.children.is_empty() {
            let plain = !self.text.is_empty() && self.text.bytes().all(|byte| byte.is_ascii_digit());
            if plain {
                f.write_str(&self.text)?;
            } else {
                f.write_str("<![CDATA[")?;
                f.write_str(&self.text.replace("]]>", "]]]]><![CDATA[>"))?;
                f.write_str("]]>")?;
            }
        } else {
            for child in &self.children {
                write!(f, "{child}")?;
            }
        }
        write!(f, "</{}", self.name)?;
        f.write_char('>')
    }
}

fn name_of(start: &BytesStart<'_>) -> String {
    start.local_name().as_ref().to_owned()
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, Refusal> {
    if reference.is_char_ref() {
        let character = reference.resolve_char_ref().map_err(|_| Refusal::Malformed)?;
        return character.map(String::from).ok_or(Refusal::Malformed);
    }
    quick_xml::escape::resolve_predefined_entity(reference).map(str::to_owned).ok_or(Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_wecom_sends_is_read() {
        let document = "<?xml version=\"1.0\"?>\n<xml><ToUserName><![CDATA[ww1]]></ToUserName>\n<AgentId> 218 </AgentId >\
             <Content>a &lt;b&gt; &#20320;<![CDATA[ & c]]></Content><List><Item><K>1</K></Item><Item/></List></xml>";
        let read = Element::parse(document.as_bytes()).unwrap();
        assert_eq!((read.text_of("ToUserName"), read.number("AgentID")), ("ww1", Some(218)));
        assert_eq!(read.text_of("Content"), "a <b> 你 & c");
        assert_eq!(read.child("List").unwrap().all("Item").count(), 2);
        assert_eq!(read.owned("Absent"), None);
    }

    #[test]
    fn hostile_documents_are_refused_at_once() {
        let laughs = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]><xml><a>&lol2;</a></xml>";
        let external = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><xml><a>&e;</a></xml>";
        let nested = format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20));
        let large = format!("<xml>{}</xml>", "x".repeat(MAX_BYTES));
        let hostile = [
            laughs,
            external,
            &nested,
            &large,
            "<xml>&lol;</xml>",
            "<xml><a></xml>",
            "<xml>",
            "",
            "{}",
            "<?x y?><xml/>",
            "</xml>",
            "<xml>&#xFFFFFFFF;</xml>",
        ];
        for document in hostile {
            let asked = std::time::Instant::now();
            assert_eq!(Element::parse(document.as_bytes()), Err(Refusal::Malformed), "{document:.60}");
            assert!(asked.elapsed().as_millis() < 50);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(texts in prop::collection::vec("\\PC{0,40}(]]>)?\\PC{0,10}", 1..6)) {
            let mut element = Element::new("xml");
            for text in &texts {
                element = element.with("T", text.clone());
            }
            prop_assert_eq!(Element::parse(element.to_string().as_bytes()).unwrap(), element);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _read_or_refused = Element::parse(&bytes);
        }
    }
}
