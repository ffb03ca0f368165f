//! The calls, in families named as the official documents name them; one file per call.

pub mod agent;
pub mod appchat;
pub mod batch;
pub mod department;
pub mod export;
pub mod media;
pub mod menu;
pub mod message;
pub mod network;
pub mod oauth;
pub mod robot;
pub mod tag;
pub mod ticket;
pub mod token;
pub mod user;
pub mod workbench;

use serde::{Deserialize, Serialize};

/// It is done; WeCom says no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// A job has begun; its id is good for asking how it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStarted {
    /// At most 64 bytes.
    #[serde(default)]
    pub jobid: String,
}

/// Skips what is not set, so that requests look as in the documents.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The official examples in fixtures/wecom, held against requests and answers.
#[cfg(test)]
pub(crate) mod fixture {
    use serde::Serialize;
    use serde_json::Value;

    use crate::{Endpoint, Method};

    fn read(name: &str) -> Value {
        let path = format!("{}/../../fixtures/wecom/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap()
    }

    /// The request is written as the example is.
    #[track_caller]
    pub(crate) fn sends<E: Endpoint>(request: &E, name: &str) {
        assert_eq!(E::METHOD, Method::Post);
        assert_eq!(serde_json::to_value(request).unwrap(), read(&format!("{name}.request")));
    }

    /// The request is asked with this query.
    #[track_caller]
    pub(crate) fn asks<E: Endpoint>(request: &E, expected: &str) {
        assert_eq!(E::METHOD, Method::Get);
        assert_eq!(crate::client::query_of(request), expected);
    }

    /// The example answer is read, and nothing of it is lost.
    #[track_caller]
    pub(crate) fn answers<E: Endpoint>(name: &str) -> E::Response
    where
        E::Response: Serialize,
    {
        let mut example = read(&format!("{name}.response"));
        let answer = crate::client::decode_answer(E::PATH, example.to_string().as_bytes(), false).unwrap();
        if let Some(fields) = example.as_object_mut() {
            fields.remove("errcode");
            fields.remove("errmsg");
        }
        assert_eq!(serde_json::to_value(&answer).unwrap(), example);
        answer
    }
}
