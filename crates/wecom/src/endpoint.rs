//! The grammar of a call: one type per request, which names its method, path, official page and answer.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AgentId;

/// The HTTP methods WeCom uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Parameters in the query.
    Get,
    /// A JSON body.
    Post,
}

/// What a call is authorised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// `?access_token=`: calls of an application, through [`crate::Client`].
    AccessToken,
    /// `?key=`: calls of a group robot, through [`crate::RobotClient`].
    RobotKey,
}

/// One call of WeCom's API.
///
/// To call what has no type yet, use the second door: [`crate::Client::raw`].
pub trait Endpoint: Serialize + Send {
    /// The HTTP method.
    const METHOD: Method;
    /// The path, starting with `/cgi-bin/`.
    const PATH: &'static str;
    /// The official page.
    const DOC: &'static str;
    /// What authorises the call.
    const CREDENTIAL: Credential = Credential::AccessToken;
    /// The most bytes of answer that are read.
    const MAX_ANSWER: usize = crate::limits::MAX_ANSWER;
    /// Whether a success may be answered without an errcode, as a few of WeCom's interfaces do.
    const OMITS_ERRCODE: bool = false;
    /// What is answered.
    type Response: DeserializeOwned + Send;

    /// Fills in the client's application where the request names none.
    fn set_default_agent(&mut self, _agent: AgentId) {}
}
