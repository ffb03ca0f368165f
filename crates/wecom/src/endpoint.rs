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

    /// What stands in the query beside the credential; for GET also every field of the request.
    fn query(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Fills in the client's application where the request names none.
    fn set_default_agent(&mut self, _agent: AgentId) {}
}

/// Names an endpoint's method, path, answer and official page in one line; a request with an `agentid` of its own, or an
/// answer that may be long, says so after it.
macro_rules! endpoint {
    ($request:ty: $method:ident $path:literal => $response:ty, $doc:literal) => {
        endpoint!(@ $request, $method, $path, $response, $doc, {});
    };
    ($request:ty: $method:ident $path:literal => $response:ty, $doc:literal, of $agent:ident) => {
        endpoint!(@ $request, $method, $path, $response, $doc, {
            fn set_default_agent(&mut self, agent: crate::AgentId) {
                self.$agent.get_or_insert(agent);
            }
        });
    };
    ($request:ty: $method:ident $path:literal => $response:ty, $doc:literal, of $agent:ident in query) => {
        endpoint!(@ $request, $method, $path, $response, $doc, {
            fn set_default_agent(&mut self, agent: crate::AgentId) {
                self.$agent.get_or_insert(agent);
            }

            fn query(&self) -> Vec<(&'static str, String)> {
                self.$agent.iter().map(|agent| ("agentid", agent.to_string())).collect()
            }
        });
    };
    ($request:ty: $method:ident $path:literal => $response:ty, $doc:literal, a list) => {
        endpoint!(@ $request, $method, $path, $response, $doc, {
            const MAX_ANSWER: usize = crate::limits::MAX_LIST;
            // Some of these are documented without it (path/90983); nothing is claimed to be done by a list.
            const OMITS_ERRCODE: bool = true;
        });
    };
    (@ $request:ty, $method:ident, $path:literal, $response:ty, $doc:literal, { $($more:item)* }) => {
        impl crate::Endpoint for $request {
            const METHOD: crate::Method = crate::Method::$method;
            const PATH: &'static str = $path;
            const DOC: &'static str = $doc;
            type Response = $response;

            $($more)*
        }
    };
}
