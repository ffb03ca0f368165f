#![doc = include_str!("../README.md")]

#[macro_use]
mod endpoint;

#[cfg(feature = "callback")]
pub mod callback;
mod client;
mod errcode;
mod error;
#[cfg(feature = "smart-robot")]
pub mod fetch;
mod id;
pub mod limits;
mod observe;
mod secret;
#[cfg(feature = "smart-robot")]
pub mod smart_robot;
pub mod split;
mod token;
mod tolerant;
mod transport;

pub mod api;
#[cfg(feature = "blocking")]
pub mod blocking;

pub use client::{Client, ClientBuilder, RobotClient};
pub use endpoint::{Credential, Endpoint, Method};
pub use errcode::{Class, ErrCode};
pub use error::{Error, ErrorKind};
pub use id::{AgentId, CorpId, MediaId, MsgId, RobotKey, RobotKeyError};
pub use limits::LimitViolation;
pub use observe::{Exchange, Observer};
pub use secret::Secret;
#[cfg(feature = "file-token-store")]
pub use token::FileTokenStore;
pub use token::{AccessToken, MemoryTokenStore, TokenKey, TokenStore, TokenStoreError};
pub use transport::{InvalidOrigin, OFFICIAL_ORIGIN, Transport, TransportBuilder};
