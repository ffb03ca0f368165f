//! What a monitoring, CI or code system says, in one shape: bytes and headers in, notices out.
//!
//! One file a source, beside the templates that make markdown of their notices; `alerts` and `forge` are what several of
//! them have in common. Pure: a source knows neither routes nor the intake, and does not wait.

mod alertmanager;
mod alerts;
mod forge;
mod generic;
mod gitea;
mod github;
mod gitlab;
mod grafana;
mod jenkins;
mod read;
mod sentry;
mod zabbix;

use axum::http::HeaderMap;
use domain::{Mention, Priority, Violation};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Every source there is.
pub(crate) const SOURCES: &[&dyn Source] = &[
    &alertmanager::Alertmanager,
    &grafana::Grafana,
    &github::Github,
    &gitlab::Gitlab,
    &gitea::Gitea,
    &jenkins::Jenkins,
    &sentry::Sentry,
    &zabbix::Zabbix,
    &generic::Generic,
];

/// What was posted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posted<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl<'a> Posted<'a> {
    /// Returns a header, if it is there and text.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The same for the same body.
    pub(super) fn print(&self) -> String {
        hex::encode(Sha256::digest(self.body))
    }

    /// Reads the body as JSON.
    pub(super) fn json(&self) -> Result<Value, Violation> {
        crate::json::read(self.body)
            .map_err(|error| Violation::new("malformed_json", "(body)", format!("is not JSON: {error}")))
    }

    /// Reads the body as one JSON object.
    pub(super) fn object(&self) -> Result<Map<String, Value>, Violation> {
        match self.json()? {
            Value::Object(object) => Ok(object),
            _ => Err(Violation::new("invalid", "(body)", "is JSON, but no object")),
        }
    }
}

/// One thing that is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    /// The same for the same happening, also when the source tells it again or from another node.
    pub(super) key: String,
    /// How urgent it is, where the configuration does not say.
    pub(super) priority: Priority,
    /// For search: what the source calls its kind, its state, its severity.
    pub(crate) tags: Vec<String>,
    /// Whom a group should call by name.
    pub(super) mention: Mention,
    /// What the template is given.
    pub(crate) variables: Map<String, Value>,
}

/// How a source can prove that it is itself, besides a bearer token and the secret in the path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof {
    /// It can do nothing more.
    None,
    /// A header holds the secret itself.
    Token {
        /// The header.
        header: &'static str,
    },
    /// A header holds the HMAC-SHA256 of the body in hexadecimal, keyed with the secret.
    Signature {
        /// The header.
        header: &'static str,
        /// What stands before the hexadecimal digits.
        prefix: &'static str,
        /// A header whose value, with a colon, is signed before the body.
        timestamp: Option<&'static str>,
    },
}

/// A system that tells of things.
pub(crate) trait Source: Sync {
    /// Returns its name, as in the path and the configuration.
    fn name(&self) -> &'static str;

    /// Returns how it proves that it is itself.
    fn proof(&self) -> Proof {
        Proof::None
    }

    /// Reads what it posted; nothing to tell is an empty list.
    ///
    /// # Errors
    /// The field that is not as the source writes it.
    fn read(&self, posted: &Posted<'_>) -> Result<Vec<Notice>, Violation>;

    /// Returns the template that makes markdown of its notices; `None` where only the operator knows what is posted.
    fn template(&self) -> Option<&'static str>;
}

#[cfg(test)]
mod tests {
    //! What the sources' own tests read with; and that no body, however odd, makes any of them panic.

    use std::sync::LazyLock;

    use axum::http::{HeaderName, HeaderValue};
    use domain::Compiled;
    use proptest::prelude::*;

    use super::*;

    /// A body that was recorded: `github/push`.
    pub(super) fn recorded(path: &str) -> String {
        let path = format!("{}/../../fixtures/hooks/{path}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(super) fn headers(named: &[(&str, &str)]) -> HeaderMap {
        let header =
            |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap());
        named.iter().map(header).collect()
    }

    /// The only notice of a body.
    pub(super) fn read(source: &dyn Source, body: &str, named: &[(&str, &str)]) -> Notice {
        let headers = headers(named);
        let mut read = source.read(&Posted { headers: &headers, body: body.as_bytes() }).unwrap();
        assert_eq!(read.len(), 1, "{body}");
        read.remove(0)
    }

    /// What is wrong with a body; it is told how to mend it.
    pub(super) fn refused(source: &dyn Source, body: &str, named: &[(&str, &str)]) -> Violation {
        let headers = headers(named);
        source.read(&Posted { headers: &headers, body: body.as_bytes() }).unwrap_err()
    }

    /// Every body that was recorded.
    static RECORDED: LazyLock<Vec<Value>> = LazyLock::new(|| {
        let folder = format!("{}/../../fixtures/hooks", env!("CARGO_MANIFEST_DIR"));
        let sources = std::fs::read_dir(folder).unwrap().map(|source| source.unwrap().path());
        let files = sources.filter(|source| source.is_dir()).flat_map(|source| source.read_dir().unwrap());
        let bodies =
            files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
        bodies.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
    });

    static TEMPLATES: LazyLock<Vec<Compiled>> =
        LazyLock::new(|| super::super::templates().into_iter().map(|made| Compiled::new(made).unwrap()).collect());

    /// Lets every source read a body, as each kind of event; what it reads can be rendered.
    fn read_by_all(body: &[u8]) {
        for event in [
            "push",
            "pull_request",
            "issues",
            "issue_comment",
            "workflow_run",
            "release",
            "other",
            "event_alert",
            "error",
            "issue",
            "metric_alert",
            "comment",
        ] {
            let headers =
                headers(&[("x-github-event", event), ("x-gitea-event", event), ("sentry-hook-resource", event)]);
            read_as(&headers, body);
        }
        read_as(&HeaderMap::new(), body);
    }

    fn read_as(headers: &HeaderMap, body: &[u8]) {
        for source in SOURCES {
            let Ok(notices) = source.read(&Posted { headers, body }) else { continue };
            for notice in notices {
                assert!(notice.tags.iter().all(|tag| (1..=100).contains(&tag.len())), "{:?}", notice.tags);
                let name = format!("hooks.{}", source.name());
                if let Some(template) = TEMPLATES.iter().find(|made| made.template().name == name) {
                    template.render(&notice.variables).unwrap_or_else(|error| panic!("{name}: {error:?}"));
                }
            }
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
            "[0{}*]{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let name = "[a-z_]{1,12}";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(name, inner, 0..5).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    /// Puts a value somewhere into another.
    fn put(into: &mut Value, way: &[usize], value: Value) {
        let next = match (way.first(), &mut *into) {
            (Some(step), Value::Object(map)) if !map.is_empty() => {
                let at = step % map.len();
                map.values_mut().nth(at)
            }
            (Some(step), Value::Array(list)) if !list.is_empty() => {
                let at = step % list.len();
                list.get_mut(at)
            }
            _ => None,
        };
        match next {
            Some(next) => put(next, &way[1..], value),
            None => *into = value,
        }
    }

    #[test]
    fn every_body_that_was_recorded_can_be_read_as_anything() {
        for body in RECORDED.iter() {
            read_by_all(body.to_string().as_bytes());
        }
    }

    proptest! {
        #[test]
        fn no_json_makes_a_source_panic(body in any_json()) {
            read_by_all(body.to_string().as_bytes());
        }

        #[test]
        fn no_bytes_make_a_source_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            read_by_all(&body);
        }

        /// A field that is of another kind than it should be is no more than refused.
        #[test]
        fn nor_does_a_real_body_with_something_else_in_it(
            which in any::<prop::sample::Index>(),
            way in prop::collection::vec(any::<usize>(), 1..6),
            value in any_json(),
        ) {
            let mut body = RECORDED[which.index(RECORDED.len())].clone();
            put(&mut body, &way, value);
            read_by_all(body.to_string().as_bytes());
        }
    }
}
