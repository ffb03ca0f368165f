//! Calls without async, for scripts: each blocks its thread until it is answered.
//!
//! ```no_run
//! use wecom::Transport;
//! use wecom::api::message::SendMessage;
//! use wecom::blocking::Client;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = wecom::Client::builder(Transport::builder().build()?, "ww0123456789abcdef", "the secret");
//! let client = Client::new(client.agent(wecom::AgentId(1000002)).build())?;
//! client.send(SendMessage::to_users(["zhangsan"]).text("disk full"))?;
//! # Ok(()) }
//! ```

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use crate::api::media::{Download, GetMedia, UploadKind, UploadMedia, Uploaded};
use crate::{Endpoint, Error};

/// Calls WeCom as one application. Must not be used inside a runtime.
#[derive(Clone, Debug)]
pub struct Client {
    client: crate::Client,
    runtime: Arc<Runtime>,
}

/// Calls WeCom as one group robot. Must not be used inside a runtime.
#[derive(Clone, Debug)]
pub struct RobotClient {
    client: crate::RobotClient,
    runtime: Arc<Runtime>,
}

fn runtime() -> std::io::Result<Arc<Runtime>> {
    Builder::new_current_thread().enable_all().build().map(Arc::new)
}

impl Client {
    /// Takes a client and a runtime of its own.
    ///
    /// # Errors
    /// The operating system's, if there can be no runtime.
    pub fn new(client: crate::Client) -> std::io::Result<Self> {
        Ok(Self { client, runtime: runtime()? })
    }

    /// Makes a call; see [`crate::Client::send`].
    ///
    /// # Errors
    /// [`Error`]; ask it what it means.
    pub fn send<E: Endpoint>(&self, request: E) -> Result<E::Response, Error> {
        self.runtime.block_on(self.client.send(request))
    }

    /// Uploads a file; see [`crate::Client::upload`].
    ///
    /// # Errors
    /// [`Error`]; ask it what it means.
    pub fn upload(&self, kind: UploadKind, media: UploadMedia) -> Result<Uploaded, Error> {
        self.runtime.block_on(self.client.upload(kind, media))
    }

    /// Downloads a file into memory; see [`crate::Client::download`].
    ///
    /// # Errors
    /// [`Error`]; ask it what it means.
    pub fn download(&self, request: &GetMedia) -> Result<(Download, Vec<u8>), Error> {
        let mut content = Vec::new();
        let download = self.runtime.block_on(self.client.download(request, &mut content))?;
        Ok((download, content))
    }
}

impl RobotClient {
    /// Takes a client and a runtime of its own.
    ///
    /// # Errors
    /// The operating system's, if there can be no runtime.
    pub fn new(client: crate::RobotClient) -> std::io::Result<Self> {
        Ok(Self { client, runtime: runtime()? })
    }

    /// Makes a call; see [`crate::RobotClient::send`].
    ///
    /// # Errors
    /// [`Error`]; ask it what it means.
    pub fn send<E: Endpoint>(&self, request: E) -> Result<E::Response, Error> {
        self.runtime.block_on(self.client.send(request))
    }
}
