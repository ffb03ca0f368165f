//! Reads answers as WeCom was seen to write them: a null for nothing, a list as text, a number as text.

use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// WeCom joins ids by `|`, with or without blanks; an absent, empty or null list is no list. An array is taken too:
/// other interfaces answer so.
pub(crate) fn id_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ids {
        Joined(String),
        Listed(Vec<String>),
        Number(u64),
        Null,
    }
    let ids = match Ids::deserialize(deserializer)? {
        Ids::Joined(joined) => joined.split('|').map(|id| id.trim().to_owned()).collect(),
        Ids::Listed(list) => list,
        Ids::Number(id) => vec![id.to_string()],
        Ids::Null => Vec::new(),
    };
    Ok(ids.into_iter().filter(|id| !id.is_empty()).collect())
}

/// Writes ids as WeCom joins them.
pub(crate) fn joined<S: Serializer>(ids: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&ids.join("|"))
}

/// A number, or a text of its digits.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Plain(i64),
        Text(String),
        Null,
    }
    match Number::deserialize(deserializer)? {
        Number::Plain(number) => Ok(number),
        Number::Text(text) => text.trim().parse().map_err(serde::de::Error::custom),
        Number::Null => Ok(0),
    }
}
