//! Any JSON: only the operator knows what is posted, and keeps the template for it.

use domain::{Mention, Priority, Violation};
use serde_json::{Map, Value};

use super::{Notice, Posted, Source};

pub(in crate::hooks) struct Generic;

impl Source for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation> {
        let body = posted.json()?;
        let mut variables = match &body {
            Value::Object(object) => object.clone(),
            Value::Array(_) => Map::new(),
            _ => {
                let violation = Violation::new("invalid", "(body)", "is JSON, but neither an object nor a list");
                return Err(violation.with_hint(r#"post it as a field: {"text": …}"#));
            }
        };
        variables.insert("body".to_owned(), body);
        Ok(vec![Notice {
            key: posted.print(),
            priority: Priority::Normal,
            tags: vec![self.name().to_owned()],
            mention: Mention::default(),
            variables,
        }])
    }

    fn template(&self) -> Option<&'static str> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read, refused};
    use super::*;

    #[test]
    fn the_fields_are_the_variables_and_the_whole_is_there_too() {
        let notice = read(&Generic, r#"{"order":"DFB-2000","body":"mine"}"#, &[]);
        assert_eq!(notice.variables["order"], "DFB-2000");
        assert_eq!(notice.variables["body"]["body"], "mine");
        assert_eq!((notice.tags, notice.key.len()), (vec!["generic".to_owned()], 64));
        assert_eq!(read(&Generic, "[1,2]", &[]).variables["body"][1], 2);
    }

    #[test]
    fn another_body_is_another_notice() {
        assert_ne!(read(&Generic, r#"{"a":1}"#, &[]).key, read(&Generic, r#"{"a":2}"#, &[]).key);
    }

    #[test]
    fn what_has_no_fields_is_refused() {
        for body in ["1", "\"text\"", "null", "", "{"] {
            assert_eq!(refused(&Generic, body, &[]).field, "(body)");
        }
    }
}
