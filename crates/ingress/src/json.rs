//! Reading JSON from outside: what could be understood in two ways is refused.
//!
//! A name that stands twice in an object means one thing to whoever looked at it before us and another to us; what is
//! nested too deep means nothing to anybody. Knows nothing about what the JSON is for.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads one value: no name twice in any object, nothing deeper than 128, nothing after it.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    // What is wanted first: it stops at the first that is too many.
    let value = serde_json::from_slice(bytes)?;
    serde_json::from_slice::<Plain>(bytes)?;
    Ok(value)
}

/// Any value that can be understood in one way only; looked at, not kept.
pub(crate) struct Plain;

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_unit<E: Error>(self) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Plain, A::Error> {
        while list.next_element::<Plain>()?.is_some() {}
        Ok(Plain)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Plain, A::Error> {
        let mut names: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(Name(name)) = object.next_key()? {
            if names.contains(&name) {
                return Err(Error::custom(format_args!("duplicate field `{name}`")));
            }
            names.insert(name);
            object.next_value::<Plain>()?;
        }
        Ok(Plain)
    }
}

/// A name in an object: borrowed where nothing in it is escaped.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn refused(text: &str) -> String {
        read::<Value>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_wherever_it_is_and_however_it_is_written() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"c":2,"a":3}}]"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(refused(text).starts_with("duplicate field `a`"), "{text}");
        }
        assert!(read::<Value>(br#"[{"a":1},{"a":{"a":null}},"a",1.5,-1,true]"#).is_ok());
    }

    #[test]
    fn what_is_too_deep_or_no_json_is_refused() {
        assert!(refused(&"[".repeat(10_000)).starts_with("recursion limit"));
        for text in ["", "NaN", "\u{feff}{}", "{} {}", "1e999", r#""\ud800""#] {
            refused(text);
        }
        assert!(read::<Value>(b"\"\xff\"").is_err());
    }
}
