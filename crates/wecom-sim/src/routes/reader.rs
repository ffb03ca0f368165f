//! Reads a request's JSON as WeCom was seen to: a null is absent, a field of the wrong type is read as well as can be
//! and earns `Warning: wrong json format.` (path/90313), or is refused, as the rules say.

use serde_json::{Map, Value};

use crate::rules::{Refused, refuse};

/// One JSON object being read.
pub(crate) struct Reader<'a> {
    object: &'a Map<String, Value>,
    path: String,
    warn: bool,
    warned: bool,
}

impl<'a> Reader<'a> {
    /// Reads the whole body; what is no JSON object is 40058.
    pub(crate) fn new(body: &'a Value, warn: bool) -> Result<Self, Refused> {
        match body {
            Value::Object(object) => Ok(Self { object, path: String::new(), warn, warned: false }),
            _ => refuse(40_058, "invalid Request Parameter. Warning: wrong json format."),
        }
    }

    pub(crate) fn warned(&self) -> bool {
        self.warned
    }

    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A text; a number is taken for its digits.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Refused> {
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
    pub(crate) fn int(&mut self, name: &str) -> Result<Option<i64>, Refused> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_i64().or_else(|| number.as_f64().map(|f| f as i64))),
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

    pub(crate) fn float(&self, name: &str) -> Option<f64> {
        self.object.get(name).and_then(Value::as_f64)
    }

    /// Tells whether a field is there at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// An object inside; an absent one is `None`.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Reader<'a>>, Refused> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => {
                Ok(Some(Reader { object, path: self.path(name), warn: self.warn, warned: false }))
            }
            Some(_) => {
                self.wrong_type(name)?;
                Ok(None)
            }
        }
    }

    /// A list of objects; an absent one is empty.
    pub(crate) fn objects(&mut self, name: &str) -> Result<Vec<Reader<'a>>, Refused> {
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
                    readers.push(Reader { object, path, warn: self.warn, warned: false });
                }
                _ => self.wrong_type(name)?,
            }
        }
        Ok(readers)
    }

    /// Notes what a reader inside warned of.
    pub(crate) fn inherit(&mut self, inside: &Reader<'_>) {
        self.warned |= inside.warned;
    }

    fn wrong_type(&mut self, name: &str) -> Result<(), Refused> {
        if !self.warn {
            return refuse(
                40_058,
                format!("{} has a wrong type. invalid Request Parameter. Warning: wrong json format.", self.path(name)),
            );
        }
        self.warned = true;
        Ok(())
    }
}
