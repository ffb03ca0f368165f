//! GET /cgi-bin/agent/list: the applications that a secret is for.
//! <https://developer.work.weixin.qq.com/document/path/90227>

use serde::{Deserialize, Serialize};

use crate::AgentId;

/// Asks which applications the secret is for.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ListAgents {}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agents {
    /// The applications.
    #[serde(default)]
    pub agentlist: Vec<AgentInShort>,
}

/// An application in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentInShort {
    /// Its id.
    pub agentid: AgentId,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its picture.
    #[serde(default)]
    pub square_logo_url: String,
}

endpoint!(ListAgents: Get "/cgi-bin/agent/list" => Agents, "https://developer.work.weixin.qq.com/document/path/90227");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&ListAgents {}, "");
        fixture::answers::<ListAgents>("agent/list");
    }
}
