//! Clients: of an application ([`Client`]) and of a group robot ([`RobotClient`]).

mod call;

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::AsyncWrite;

use crate::api::media::{Download, GetMedia, UploadKind, UploadMedia, Uploaded, UploadedImage, check_image};
use crate::api::robot::RobotUploadKind;
use crate::token::{MemoryTokenStore, TokenSource, TokenStore};
use crate::{
    AgentId, CorpId, Credential, Endpoint, Error, ErrorKind, LimitViolation, Method, RobotKey, Secret, Transport,
};

use self::call::Call;
#[cfg(test)]
pub(crate) use self::call::query_of;
pub(crate) use self::call::{decode_answer, envelope as envelope_of};

/// Calls WeCom as one application of one company. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use wecom::{AgentId, Client, Transport, api::message::SendMessage};
///
/// let transport = Transport::builder().build()?;
/// let client = Client::builder(transport, "ww0123456789abcdef", "the secret").agent(AgentId(1000002)).build();
/// let sent = client.send(SendMessage::to_users(["zhangsan"]).text("disk full")).await?;
/// println!("{:?}, not reached: {:?}", sent.msgid, sent.invaliduser);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    tokens: Arc<TokenSource>,
    agent: Option<AgentId>,
}

/// Settings of a [`Client`].
#[derive(Debug)]
pub struct ClientBuilder {
    transport: Transport,
    corp_id: CorpId,
    secret: Secret,
    agent: Option<AgentId>,
    store: Arc<dyn TokenStore>,
}

impl ClientBuilder {
    /// Sets the application that requests are for when they name none.
    #[must_use]
    pub fn agent(mut self, agent: AgentId) -> Self {
        self.agent = Some(agent);
        self
    }

    /// Sets where access tokens are kept; default: in this process.
    #[must_use]
    pub fn token_store(mut self, store: Arc<dyn TokenStore>) -> Self {
        self.store = store;
        self
    }

    /// Makes the client. Nothing is called yet.
    pub fn build(self) -> Client {
        let tokens = TokenSource::new(self.transport.clone(), self.corp_id, self.secret, self.store);
        Client { transport: self.transport, tokens: Arc::new(tokens), agent: self.agent }
    }
}

impl Client {
    /// Starts a client for the application whose secret this is.
    pub fn builder(transport: Transport, corp_id: impl Into<CorpId>, secret: impl Into<Secret>) -> ClientBuilder {
        let store = Arc::new(MemoryTokenStore);
        ClientBuilder { transport, corp_id: corp_id.into(), secret: secret.into(), agent: None, store }
    }

    /// Makes a call.
    ///
    /// A token that WeCom no longer takes is replaced, once, and the call made again.
    ///
    /// # Errors
    /// [`Error`]; ask it what it means.
    pub async fn send<E: Endpoint>(&self, mut request: E) -> Result<E::Response, Error> {
        if let Some(agent) = self.agent {
            request.set_default_agent(agent);
        }
        let call = Call::of(&request)?;
        call::decode::<E>(&self.authorised(&call).await?)
    }

    /// Makes a call whose body was serialised before: a byte-identical repeat is what WeCom's duplicate check finds.
    ///
    /// # Errors
    /// [`Error`]; ask it what it means.
    pub async fn send_encoded<E: Endpoint>(&self, body: Bytes) -> Result<E::Response, Error> {
        const { assert!(matches!(E::CREDENTIAL, Credential::AccessToken)) }
        call::decode::<E>(&self.authorised(&Call::encoded::<E>(body)).await?)
    }

    /// Uploads a file (POST /cgi-bin/media/upload, path/90253), valid for 3 days in the whole company.
    ///
    /// A streamed file can be sent once only: if its token turns out to be refused, the error says so and a new call
    /// with a fresh stream will succeed.
    ///
    /// # Errors
    /// [`Error`]; [`ErrorKind::Request`] without a call, if the file breaks a rule of its kind ([`UploadMedia::check`]).
    pub async fn upload(&self, kind: UploadKind, media: UploadMedia) -> Result<Uploaded, Error> {
        let broken = media.check(kind);
        self.post_file(UploadMedia::PATH, Some(kind), media, &broken).await
    }

    /// Uploads a picture for articles (POST /cgi-bin/media/uploadimg, path/90256); its URL never ends.
    ///
    /// # Errors
    /// As [`Self::upload`]; see [`check_image`].
    pub async fn upload_image(&self, media: UploadMedia) -> Result<UploadedImage, Error> {
        let broken = check_image(&media);
        self.post_file("/cgi-bin/media/uploadimg", None, media, &broken).await
    }

    async fn post_file<T: DeserializeOwned>(
        &self,
        path: &'static str,
        kind: Option<UploadKind>,
        media: UploadMedia,
        broken: &[LimitViolation],
    ) -> Result<T, Error> {
        if let Some(rule) = broken.first() {
            let rule = format!("{} {}", rule.field, rule.message);
            return Err(Error::new(ErrorKind::Request, path).with_source(rule));
        }
        let deadline = self.transport.deadline();
        let token = self.tokens.get(deadline).await?;
        let mut query = vec![("access_token", token.expose())];
        query.extend(kind.map(|kind| ("type", kind.name())));
        let answer = media.post(&self.transport, path, &query, deadline).await;
        let result = answer.and_then(|answer| decode_answer(path, &answer, false));
        if result.as_ref().is_err_and(call::wants_new_token) {
            self.tokens.invalidate(&token);
        }
        result
    }

    /// Downloads a file (GET /cgi-bin/media/get, path/90254), or a part of it, and writes it as it comes.
    ///
    /// Nothing is written if WeCom refuses. Every piece may take as long as a call; the whole as long as it needs.
    ///
    /// ```no_run
    /// # async fn example(client: wecom::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut file = Vec::new();
    /// let download = client.download(&wecom::api::media::GetMedia::new("MEDIA_ID"), &mut file).await?;
    /// println!("{:?}: {} bytes", download.file_name, download.length);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error`]; expired or unknown media is errcode 40007.
    pub async fn download(
        &self,
        request: &GetMedia,
        into: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<Download, Error> {
        let deadline = self.transport.deadline();
        let token = self.tokens.get(deadline).await?;
        match request.fetch(&self.transport, token.expose(), into, deadline).await {
            Err(error) if call::wants_new_token(&error) => {
                self.tokens.invalidate(&token);
                let token = self.tokens.get(deadline).await?;
                request.fetch(&self.transport, token.expose(), into, deadline).await
            }
            result => result,
        }
    }

    /// Calls any path with any JSON, with the same token, timeouts and errors: the second door.
    ///
    /// # Errors
    /// [`Error`]; ask it what it means.
    pub async fn raw(
        &self,
        method: Method,
        path: &'static str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let body = body.map(|value| Bytes::from(value.to_string()));
        let query = query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let call = Call { method, path, query, body, max_answer: crate::limits::MAX_ANSWER };
        decode_answer(path, &self.authorised(&call).await?, true)
    }

    async fn authorised(&self, call: &Call<'_>) -> Result<Bytes, Error> {
        let deadline = self.transport.deadline();
        let token = self.tokens.get(deadline).await?;
        match call.make(&self.transport, "access_token", token.expose(), deadline).await {
            Err(error) if call::wants_new_token(&error) => {
                self.tokens.invalidate(&token);
                let token = self.tokens.get(deadline).await?;
                let result = call.make(&self.transport, "access_token", token.expose(), deadline).await;
                if result.as_ref().is_err_and(call::wants_new_token) {
                    self.tokens.invalidate(&token);
                }
                result
            }
            result => result,
        }
    }
}

/// Calls WeCom as one group robot. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use wecom::{RobotClient, RobotKey, Transport, api::robot::RobotMessage};
///
/// let transport = Transport::builder().build()?;
/// let key = RobotKey::parse("693a91f6-7e4c-4bc4-97a0-0ec2f1fa5aaa", transport.origin())?;
/// RobotClient::new(transport, key).send(RobotMessage::text("disk full").mention_all()).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RobotClient {
    transport: Transport,
    key: RobotKey,
}

impl RobotClient {
    /// Makes a client. Nothing is called yet.
    pub fn new(transport: Transport, key: RobotKey) -> Self {
        Self { transport, key }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// [`Error`]; ask it what it means.
    pub async fn send<E: Endpoint>(&self, request: E) -> Result<E::Response, Error> {
        const { assert!(matches!(E::CREDENTIAL, Credential::RobotKey)) }
        let call = Call::of(&request)?;
        call::decode::<E>(&call.make(&self.transport, "key", self.key.expose(), self.transport.deadline()).await?)
    }

    /// Makes a call whose body was serialised before.
    ///
    /// # Errors
    /// [`Error`]; ask it what it means.
    pub async fn send_encoded<E: Endpoint>(&self, body: Bytes) -> Result<E::Response, Error> {
        const { assert!(matches!(E::CREDENTIAL, Credential::RobotKey)) }
        let call = Call::encoded::<E>(body);
        call::decode::<E>(&call.make(&self.transport, "key", self.key.expose(), self.transport.deadline()).await?)
    }

    /// Uploads a file for this robot (POST `/cgi-bin/webhook/upload_media`, path/99110), valid for 3 days.
    ///
    /// # Errors
    /// [`Error`]; ask it what it means.
    pub async fn upload(&self, kind: RobotUploadKind, media: UploadMedia) -> Result<Uploaded, Error> {
        let path = "/cgi-bin/webhook/upload_media";
        let query = [("key", self.key.expose()), ("type", kind.name())];
        let answer = media.post(&self.transport, path, &query, self.transport.deadline()).await?;
        decode_answer(path, &answer, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use static_assertions::assert_impl_all;

    assert_impl_all!(Client: Send, Sync, Clone);
    assert_impl_all!(RobotClient: Send, Sync, Clone);
    assert_impl_all!(Transport: Send, Sync, Clone);
    assert_impl_all!(Error: Send, Sync);
}
