//! One call, start to end: credential → HTTP → envelope → answer.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::transport::{Incoming, Outgoing, whole};
use crate::{Endpoint, ErrCode, Error, ErrorKind, Method, Transport};

/// How much of a foreign answer an error keeps.
const CLIPPED: usize = 200;

/// A call that can be made more than once.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// JSON.
    pub(super) body: Option<Bytes>,
    pub(super) max_answer: usize,
}

impl Call<'_> {
    pub(super) fn of<E: Endpoint>(request: &E) -> Result<Self, Error> {
        let unwritable = |e| Error::new(ErrorKind::Request, E::PATH).with_source(e);
        let mut call = match E::METHOD {
            Method::Post => Self::encoded::<E>(serde_json::to_vec(request).map_err(unwritable)?.into()),
            Method::Get => {
                let fields = serde_json::to_value(request).map_err(unwritable)?;
                Call { query: as_query(fields), ..Self::encoded::<E>(Bytes::new()) }
            }
        };
        call.query.extend(request.query().into_iter().map(|(name, value)| (name.into(), value.into())));
        Ok(call)
    }

    pub(super) fn encoded<E: Endpoint>(body: Bytes) -> Self {
        let body = (E::METHOD == Method::Post).then_some(body);
        Self { method: E::METHOD, path: E::PATH, query: Vec::new(), body, max_answer: E::MAX_ANSWER }
    }

    pub(super) async fn make(
        &self,
        transport: &Transport,
        credential: &str,
        value: &str,
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let mut query = Vec::with_capacity(self.query.len() + 1);
        query.push((credential, value));
        query.extend(self.query.iter().map(|(name, value)| (&**name, &**value)));
        let body = self.body.clone().map(whole);
        let outgoing = Outgoing {
            method: self.method,
            path: self.path,
            query: &query,
            content_type: "application/json",
            body,
            length: None,
            max_answer: self.max_answer,
        };
        transport.call(outgoing, deadline).await
    }
}

/// Writes the fields of a request as a query; what is absent, and what is no text or number, has no place in one.
fn as_query(fields: Value) -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
    let Value::Object(fields) = fields else { return Vec::new() };
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(u8::from(on).to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    fields.into_iter().filter_map(|(name, value)| Some((name.into(), text(value)?.into()))).collect()
}

#[derive(Deserialize)]
struct Envelope {
    errcode: Option<ErrCode>,
    #[serde(default)]
    errmsg: Option<String>,
}

/// Opens the envelope: failure is an errcode other than 0, whatever the HTTP status.
pub(crate) fn envelope(path: &'static str, answer: Incoming) -> Result<Bytes, Error> {
    let not_json = || {
        let clipped = String::from_utf8_lossy(&answer.body[..answer.body.len().min(CLIPPED)]);
        let body = masked(&clipped);
        Error::new(ErrorKind::NotJson { status: answer.status, body }, path)
    };
    let envelope: Envelope = serde_json::from_slice(&answer.body).map_err(|e| not_json().with_source(e))?;
    match envelope.errcode {
        Some(ErrCode::OK) => Ok(answer.body),
        Some(errcode) => {
            let errmsg = envelope.errmsg.unwrap_or_default();
            Err(Error::new(ErrorKind::Api { errcode, errmsg }, path))
        }
        None if (200..300).contains(&answer.status) => Ok(answer.body),
        None => Err(not_json()),
    }
}

pub(super) fn decode<E: Endpoint>(answer: &Bytes) -> Result<E::Response, Error> {
    decode_answer(E::PATH, answer, E::OMITS_ERRCODE)
}

/// Reads an answer into its type, naming the field that does not fit.
pub(crate) fn decode_answer<T: DeserializeOwned>(
    path: &'static str,
    answer: &[u8],
    omits_errcode: bool,
) -> Result<T, Error> {
    // No success is claimed that was not said.
    if !omits_errcode && !serde_json::from_slice::<Envelope>(answer).is_ok_and(|e| e.errcode.is_some()) {
        return Err(Error::new(ErrorKind::Decode { field: "errcode".to_owned() }, path));
    }
    if let Ok(read) = serde_json::from_slice(answer) {
        return Ok(read);
    }
    // Once more, slower, to name the field that does not fit.
    let mut json = serde_json::Deserializer::from_slice(answer);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        Error::new(ErrorKind::Decode { field }, path).with_source(error.into_inner())
    })
}

/// Masks what stands behind the names of credentials: a proxy's page may repeat the URL, half an answer the token.
fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let names = ["access_token", "corpsecret", "key="];
    while let Some((at, name)) = names.iter().filter_map(|name| Some((rest.find(name)?, name))).min() {
        let (before, from) = rest.split_at(at + name.len());
        shown.push_str(before);
        let value = from.trim_start_matches(['"', ':', '=', ' ']);
        shown.push_str(&from[..from.len() - value.len()]);
        shown.push_str("***");
        let end = value
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '%')))
            .unwrap_or(value.len());
        rest = &value[end..];
    }
    shown.push_str(rest);
    shown
}

pub(super) fn wants_new_token(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Api { errcode: ErrCode::INVALID_ACCESS_TOKEN | ErrCode::ACCESS_TOKEN_EXPIRED, .. }
    )
}

/// The query of a request, for tests.
#[cfg(test)]
pub(crate) fn query_of<E: Endpoint>(request: &E) -> String {
    let call = Call::of(request).unwrap();
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(call.query).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(status: u16, body: &str) -> Result<Bytes, Error> {
        envelope("/x", Incoming { status, body: Bytes::copy_from_slice(body.as_bytes()) })
    }

    #[test]
    fn http_200_is_never_taken_for_success() {
        assert!(open(200, r#"{"errcode":0,"errmsg":"ok"}"#).is_ok());
        assert_eq!(open(200, r#"{"errcode":40014}"#).unwrap_err().errcode(), Some(ErrCode(40_014)));
        for (status, body) in
            [(200, "<html>"), (200, r#"{"errcode":0,"err"#), (200, ""), (502, r#"{"message":"bad gateway"}"#)]
        {
            assert!(matches!(open(status, body).unwrap_err().kind(), ErrorKind::NotJson { .. }), "{body}");
        }
    }

    #[test]
    fn what_is_kept_of_a_foreign_answer_shows_no_credential() {
        let page = r#"GET /cgi-bin/x?access_token=abc-1&key=k%2F2 {"access_token": "tok"#;
        assert_eq!(masked(page), r#"GET /cgi-bin/x?access_token=***&key=*** {"access_token": "***"#);
    }

    #[test]
    fn an_answer_without_errcode_is_no_success_unless_the_endpoint_omits_it() {
        let decode = |omits| decode_answer::<Value>("/x", b"{}", omits);
        assert!(decode(true).is_ok());
        assert!(matches!(decode(false).unwrap_err().kind(), ErrorKind::Decode { .. }));
    }
}
