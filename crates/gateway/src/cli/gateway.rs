//! Talking to a running gateway: where it is, with which key, and what its answers mean.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{Context, FAILED, REFUSED, UNREACHABLE};
use crate::config::Loaded;
use crate::first_key::FirstKey;

/// How long a large file may take to be handed in.
const PATIENCE_WITH_FILES: Duration = Duration::from_secs(3600);

/// A running gateway.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    http: reqwest::Client,
    origin: String,
    key: wecom::Secret,
}

/// A gateway that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    /// Nobody answered.
    #[error("no gateway answers at {origin}")]
    Unreachable {
        origin: String,
        #[source]
        source: reqwest::Error,
    },
    /// It refused.
    #[error("{}", describe(.body))]
    Refused { status: u16, body: Value },
}

impl GatewayError {
    /// The exit code that says so.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Unreachable { .. } => UNREACHABLE,
            Self::Refused { status: 503 | 507, .. } => UNREACHABLE,
            Self::Refused { status: 400..500, .. } => REFUSED,
            Self::Refused { .. } => FAILED,
        }
    }
}

/// The sentence and the mend of an error envelope.
pub(crate) fn describe(body: &Value) -> String {
    let error = &body["error"];
    let mut text = error["message"].as_str().unwrap_or("the answer is not a gateway's").to_owned();
    for (label, name) in [("hint", "hint"), ("see", "doc"), ("code", "code")] {
        if let Some(value) = error[name].as_str() {
            text.extend(["\n", label, ": ", value]);
        }
    }
    text
}

impl Gateway {
    /// Finds the gateway: `HONGYAN_URL` and `HONGYAN_API_KEY`, else the configured address and the data directory's key.
    pub(crate) fn find(loaded: &Loaded) -> anyhow::Result<Self> {
        let environment = &loaded.environment;
        let origin = match environment.get("HONGYAN_URL") {
            // A bare address is one without TLS, as `listen` is.
            Some(url) if !url.contains("://") => format!("http://{}", url.trim_end_matches('/')),
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", loaded.config.listen),
        };
        let key = match environment.secret("HONGYAN_API_KEY")? {
            Some(key) => key.0,
            None => match FirstKey::read(&loaded.config.data_dir)? {
                Some(text) => text.as_str().into(),
                None => bail!(
                    "no API key: set HONGYAN_API_KEY, or run where the gateway's data directory is ({} has none)",
                    loaded.config.data_dir.display()
                ),
            },
        };
        Self::at(origin, key)
    }

    /// Talks to the gateway at `origin`.
    pub(crate) fn at(origin: String, key: wecom::Secret) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(120))
            .build()
            .context("could not make an HTTP client")?;
        Ok(Self { http, origin, key })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, GatewayError> {
        self.call(self.http.get(self.url(path))).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, GatewayError> {
        self.call(self.http.delete(self.url(path))).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: Option<&Value>,
        idempotency_key: Option<&str>,
    ) -> Result<Value, GatewayError> {
        let mut request = self.http.post(self.url(path));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.call(request).await
    }

    /// Hands in bytes as they are.
    pub(crate) async fn post_bytes(&self, path: &str, content: Vec<u8>) -> Result<Value, GatewayError> {
        self.call(self.http.post(self.url(path)).body(content)).await
    }

    /// Fetches bytes as they are.
    pub(crate) async fn get_bytes(&self, path: &str) -> Result<Vec<u8>, GatewayError> {
        self.bytes(self.http.get(self.url(path))).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value, GatewayError> {
        self.call(self.http.put(self.url(path)).body(body.to_string())).await
    }

    /// Hands in a file, as it is read.
    pub(crate) async fn put_file(
        &self,
        file_name: &str,
        content: tokio::fs::File,
        size: u64,
    ) -> Result<Value, GatewayError> {
        let content = reqwest::Body::from(content);
        let part = reqwest::multipart::Part::stream_with_length(content, size).file_name(file_name.to_owned());
        let form = reqwest::multipart::Form::new().part("media", part);
        let request = self.http.post(self.url("/v1/media")).multipart(form).timeout(PATIENCE_WITH_FILES);
        self.call(request).await
    }

    /// Hands in JSON together with a file, as parts of a form.
    pub(crate) async fn post_with_file(
        &self,
        path: &str,
        (name, json): (&'static str, &Value),
        (file, content): (&'static str, Vec<u8>),
        idempotency_key: Option<&str>,
    ) -> Result<Value, GatewayError> {
        let content = reqwest::multipart::Part::bytes(content).file_name(file);
        let form = reqwest::multipart::Form::new().text(name, json.to_string()).part(file, content);
        let request = self.http.post(self.url(path)).multipart(form);
        self.call(idempotency_key.into_iter().fold(request, |request, key| request.header("idempotency-key", key)))
            .await
    }

    /// Hands in lines of NDJSON; returns one result a line.
    pub(crate) async fn batch(&self, lines: String) -> Result<Vec<Value>, GatewayError> {
        let text = self.text(self.http.post(self.url("/v1/messages/batch")).body(lines)).await?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Value, GatewayError> {
        let text = self.text(request).await?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn text(&self, request: reqwest::RequestBuilder) -> Result<String, GatewayError> {
        Ok(String::from_utf8_lossy(&self.bytes(request).await?).into_owned())
    }

    async fn bytes(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, GatewayError> {
        let unreachable = |source: reqwest::Error| GatewayError::Unreachable { origin: self.origin.clone(), source };
        let answer = request.bearer_auth(self.key.expose()).send().await.map_err(unreachable)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(bytes.to_vec());
        }
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Err(GatewayError::Refused { status: status.as_u16(), body })
    }
}

/// Prints a gateway's error and returns its exit code.
pub(crate) fn report(error: GatewayError, context: &Context) -> u8 {
    let code = error.exit_code();
    match &error {
        GatewayError::Refused { body, .. } if context.json => super::print(&body.to_string()),
        GatewayError::Unreachable { .. } if context.json => {
            let message = error.to_string();
            super::print(&serde_json::json!({ "error": { "code": "unreachable", "message": message } }).to_string());
        }
        GatewayError::Refused { body, status } => {
            let meaning = body["error"]["code"].as_str().and_then(super::chinese::error);
            if let (super::language::Language::Zh, Some(meaning)) = (context.language, meaning) {
                super::complain(&format!("错误：{meaning}"));
            }
            let key = if *status == 401 {
                "\nhint: set HONGYAN_API_KEY, or run where the gateway's data directory is"
            } else {
                ""
            };
            super::complain(&format!("{}: {}{key}", context.language.pick("error", "详情"), describe(body)));
        }
        GatewayError::Unreachable { .. } => {
            super::complain(&super::chain(&anyhow::Error::new(error), context.language));
        }
    }
    code
}
