//! Callbacks in axum: a handler that answers the verification of the URL, and an extractor for what is posted.
//!
//! ```no_run
//! use axum::Router;
//! use axum::response::Response;
//! use axum::routing::get;
//! use wecom::callback::axum::{Posted, verify};
//! use wecom::callback::{Passive, Receiver};
//!
//! async fn receive(posted: Posted) -> Response {
//!     // Keep it before this returns: what is answered with 200 is never posted again.
//!     posted.reply(&Passive::text("收到"))
//! }
//!
//! # fn router(receiver: Receiver) -> Router {
//! Router::new().route("/callback", get(verify).post(receive)).with_state(receiver)
//! # }
//! ```

use std::future::{Ready, ready};

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Callback, Passive, Query, Receiver, Refusal};

/// Answers WeCom's verification of the URL. For `GET`, in the same place as what is posted.
pub fn verify(State(receiver): State<Receiver>, RawQuery(query): RawQuery) -> Ready<Response> {
    ready(match receiver.verify(&Query::parse(query.as_deref().unwrap_or_default())) {
        Ok(echo) => plain(echo),
        Err(refusal) => Refused(refusal).into_response(),
    })
}

/// A callback that was posted and whose signature fits.
#[derive(Clone, Debug)]
pub struct Posted {
    /// What it says.
    pub callback: Callback,
    receiver: Receiver,
}

impl Posted {
    /// Answers with a passive reply.
    pub fn reply(&self, reply: &Passive) -> Response {
        let body = self.receiver.reply(&self.callback, reply);
        ([(header::CONTENT_TYPE, "application/xml; charset=utf-8")], body).into_response()
    }

    /// Answers that there is nothing to say: 200 with an empty body.
    pub fn nothing(&self) -> Response {
        StatusCode::OK.into_response()
    }
}

/// A callback was refused. The caller hears 403 and no reason; the log hears the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub Refusal);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(refusal) = self;
        tracing::warn!(code = refusal.code(), "Refused a callback: {refusal}");
        (StatusCode::FORBIDDEN, "refused\n").into_response()
    }
}

impl<S> FromRequest<S> for Posted
where
    S: Send + Sync,
    Receiver: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let receiver = Receiver::from_ref(state);
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let body = Bytes::from_request(request, state).await.map_err(|_| Refused(Refusal::Malformed))?;
        let callback = receiver.receive(&query, &body).map_err(Refused)?;
        Ok(Self { callback, receiver })
    }
}

/// The echo as it is: no quotes, no line break.
fn plain(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;
    use crate::callback::{Content, Crypto, EncodingAesKey, Envelope};

    const KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";

    fn crypto() -> Crypto {
        Crypto::new("QDG6eK", EncodingAesKey::parse(KEY).unwrap(), "wx5823bf96d3bd56c7")
    }

    async fn receive(posted: Posted) -> Response {
        match &posted.callback.content {
            Content::Text { content } => posted.reply(&Passive::text(format!("{content}!"))),
            _ => posted.nothing(),
        }
    }

    async fn ask(request: Request) -> (StatusCode, String) {
        let app = Router::new().route("/callback", get(verify).post(receive)).with_state(Receiver::new(crypto()));
        let response = app.oneshot(request).await.unwrap();
        let status = response.status();
        (status, String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_official_verification_is_answered_and_a_forged_one_is_not() {
        let query = "msg_signature=5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3&timestamp=1409659589&nonce=263014780&echostr=P9nAzCzyDtyTWESHep1vC5X9xho%2FqYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp%2B4RPcs8TgAE7OaBO%2BFZXvnaqQ%3D%3D";
        let get = |query: &str| Request::get(format!("/callback?{query}")).body(Body::empty()).unwrap();
        assert_eq!(ask(get(query)).await, (StatusCode::OK, "1616140317555161061".to_owned()));
        assert_eq!(ask(get(&query.replace("5c45", "5c46"))).await, (StatusCode::FORBIDDEN, "refused\n".to_owned()));
    }

    #[tokio::test]
    async fn a_posted_message_gets_its_sealed_reply() {
        let xml = "<xml><ToUserName>wx5823bf96d3bd56c7</ToUserName><FromUserName>mycreate</FromUserName><MsgType>text</MsgType><Content>hello</Content></xml>";
        let sealed = crypto().seal(xml.as_bytes(), "1409659813", "1372623149");
        let body = format!("<xml><Encrypt><![CDATA[{}]]></Encrypt></xml>", sealed.encrypt);
        let url = format!("/callback?msg_signature={}&timestamp=1409659813&nonce=1372623149", sealed.msg_signature);
        let (status, answer) = ask(Request::post(url).body(Body::from(body)).unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        let envelope = Envelope::parse(answer.as_bytes()).unwrap();
        let outside = crate::callback::Element::parse(answer.as_bytes()).unwrap();
        let (signature, at, nonce) =
            (outside.text_of("MsgSignature"), outside.text_of("TimeStamp"), outside.text_of("Nonce"));
        let reply = crypto().open(signature, at, nonce, &envelope.encrypt).unwrap();
        assert!(String::from_utf8(reply).unwrap().contains("<![CDATA[hello!]]>"));
    }
}
