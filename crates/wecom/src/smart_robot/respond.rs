//! POST /cgi-bin/aibot/response: one answer to a callback's `response_url`, within an hour.
//! <https://developer.work.weixin.qq.com/document/path/101138>

use url::Url;

use super::Reply;
use crate::api::Done;
use crate::client::decode_answer;
use crate::transport::{Outgoing, whole};
use crate::{Error, ErrorKind, Method, Transport};

/// The path.
const PATH: &str = "/cgi-bin/aibot/response";

/// Answers a callback by its `response_url`: markdown, or in single chats a card. Good once, for an hour.
///
/// No token is needed, and nothing is encrypted. The URL must be one of the transport's host: it came from outside.
///
/// # Errors
/// [`Error`]; [`ErrorKind::Request`] without a call, if the URL leads elsewhere.
pub async fn respond(transport: &Transport, response_url: &str, reply: &Reply) -> Result<(), Error> {
    let elsewhere = || Error::new(ErrorKind::Request, PATH).with_source("the response_url leads elsewhere");
    // The URL is good once: what WeCom would refuse is not tried.
    if !reply.stands_alone(true) {
        return Err(Error::new(ErrorKind::Request, PATH).with_source("only markdown and cards answer a response_url"));
    }
    if let Some(broken) = reply.check().first() {
        let broken = format!("{} {}", broken.field, broken.message);
        return Err(Error::new(ErrorKind::Request, PATH).with_source(broken));
    }
    let url = Url::parse(response_url).map_err(|_| elsewhere())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !plain || url.origin() != transport.origin().origin() || url.path() != PATH {
        return Err(elsewhere());
    }
    let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let outgoing = Outgoing {
        method: Method::Post,
        path: PATH,
        query: &query,
        content_type: "application/json",
        body: Some(whole(reply.to_json().to_string().into())),
        length: None,
        max_answer: crate::limits::MAX_ANSWER,
    };
    let answer = transport.call(outgoing, transport.deadline()).await?;
    decode_answer::<Done>(PATH, &answer, false).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_that_leads_elsewhere_is_not_called() {
        let transport = Transport::builder().build().unwrap();
        for url in [
            "https://evil.example/cgi-bin/aibot/response?response_code=x",
            "https://qyapi.weixin.qq.com@evil.example/cgi-bin/aibot/response",
            "http://qyapi.weixin.qq.com/cgi-bin/aibot/response",
            "https://qyapi.weixin.qq.com/cgi-bin/message/send",
            "nonsense",
        ] {
            let error = respond(&transport, url, &Reply::Markdown("x".into())).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Request), "{url}");
        }
    }
}
