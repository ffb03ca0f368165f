//! Reads a request's JSON as WeCom was seen to: a null is absent, a field of the wrong type is read as well as can be
//! and earns `Warning: wrong json format.` (path/90313), or is refused, as the rules say.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::rules::{Refused, refuse};

/// What WeCom says of JSON that is off.
const WARNING: &str = "Warning: wrong json format.";

/// One JSON object being read.
pub(crate) struct Reader<'a> {
    object: &'a Map<String, Value>,
    path: String,
    warn: bool,
    /// Shared with the readers inside.
    warned: Rc<Cell<bool>>,
}

/// Reads a body as JSON: outside strict rules a byte-order mark and what follows the first value earn a warning only.
pub(crate) fn parse(body: &[u8], warn: bool) -> (Value, bool) {
    if !warn {
        return (serde_json::from_slice(body).unwrap_or(Value::Null), false);
    }
    let plain = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut values = serde_json::Deserializer::from_slice(plain).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => {
            let clean = plain.len() == body.len() && plain[values.byte_offset()..].trim_ascii().is_empty();
            (value, !clean)
        }
        _ => (Value::Null, false),
    }
}

impl<'a> Reader<'a> {
    /// Reads the whole body; what is no JSON object is 40058.
    pub(crate) fn new(body: &'a Value, warn: bool) -> Result<Self, Refused> {
        match body {
            Value::Object(object) => Ok(Self { object, path: String::new(), warn, warned: Rc::default() }),
            _ => refuse(40_058, "Warning: wrong json format. invalid Request Parameter"),
        }
    }

    /// Notes that the JSON itself was off.
    pub(crate) fn note_warning(&self) {
        self.warned.set(true);
    }

    /// Puts the warning before a refusal, as WeCom does.
    pub(crate) fn warning_before(&self, refused: Refused) -> Refused {
        if !self.warned() || refused.errmsg.starts_with(WARNING) {
            return refused;
        }
        Refused { errmsg: format!("{WARNING} {}", refused.errmsg), ..refused }
    }

    pub(crate) fn warned(&self) -> bool {
        self.warned.get()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A text; a number is taken for its digits.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Refused> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => {
                let text = number.to_string();
                self.wrong_type(name)?;
                Ok(Some(text))
            }
            Some(_) => {
                self.wrong_type(name)?;
                Ok(None)
            }
        }
    }

    /// A whole number; a text of digits is taken for it.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, Refused> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => match number.as_i64() {
                Some(number) => Ok(Some(number)),
                None => {
                    let whole = number.as_f64().map(|float| float as i64);
                    self.wrong_type(name)?;
                    Ok(whole)
                }
            },
            Some(Value::String(text)) => {
                let number = text.trim().parse().ok();
                self.wrong_type(name)?;
                Ok(number)
            }
            Some(Value::Bool(on)) => {
                let number = i64::from(*on);
                self.wrong_type(name)?;
                Ok(Some(number))
            }
            Some(_) => {
                self.wrong_type(name)?;
                Ok(None)
            }
        }
    }

    /// A fraction; a text of digits is taken for it.
    pub(crate) fn float(&self, name: &str) -> Result<Option<f64>, Refused> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(other) => {
                let number = other.as_str().and_then(|text| text.trim().parse().ok());
                self.wrong_type(name)?;
                Ok(number)
            }
        }
    }

    /// A list of texts; a single text is taken for a list of one.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Refused> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                if !items.iter().all(Value::is_string) {
                    self.wrong_type(name)?;
                }
                Ok(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
            }
            Some(other) => {
                let one = other.as_str().map(str::to_owned);
                self.wrong_type(name)?;
                Ok(one.into_iter().collect())
            }
        }
    }

    /// Tells whether a field holds a list or an object: no text, whatever the rules.
    pub(crate) fn is_compound(&self, name: &str) -> bool {
        matches!(self.object.get(name), Some(Value::Array(_) | Value::Object(_)))
    }

    /// A field as it is.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// Tells whether a field is there at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// An object inside; an absent one is `None`.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, Refused> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => {
                Ok(Some(Reader { object, path: self.path(name), warn: self.warn, warned: self.warned.clone() }))
            }
            Some(_) => {
                self.wrong_type(name)?;
                Ok(None)
            }
        }
    }

    /// A list of objects; an absent one is empty.
    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Self>, Refused> {
        let items = match self.object.get(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong_type(name)?;
                return Ok(Vec::new());
            }
        };
        let mut readers = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            match item {
                Value::Object(object) => {
                    let path = format!("{}[{i}]", self.path(name));
                    readers.push(Reader { object, path, warn: self.warn, warned: self.warned.clone() });
                }
                _ => self.wrong_type(name)?,
            }
        }
        Ok(readers)
    }

    fn wrong_type(&self, name: &str) -> Result<(), Refused> {
        if !self.warn {
            return refuse(
                40_058,
                format!("{} has a wrong type. invalid Request Parameter. Warning: wrong json format.", self.path(name)),
            );
        }
        self.warned.set(true);
        Ok(())
    }
}
