//! GET /cgi-bin/agent/get: an application about itself.
//! <https://developer.work.weixin.qq.com/document/path/90227>

use serde::{Deserialize, Serialize};

use crate::AgentId;

/// Asks for the application's own settings.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GetAgent {
    /// The application; default: the client's.
    pub agentid: Option<AgentId>,
}

/// An application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    #[serde(default)]
    pub agentid: AgentId,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its picture.
    #[serde(default)]
    pub square_logo_url: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Members that see it.
    #[serde(default)]
    pub allow_userinfos: AllowedUsers,
    /// Departments that see it.
    #[serde(default)]
    pub allow_partys: AllowedParties,
    /// Tags that see it.
    #[serde(default)]
    pub allow_tags: AllowedTags,
    /// 1: disabled.
    #[serde(default)]
    pub close: u8,
    /// Its trusted domain.
    #[serde(default)]
    pub redirect_domain: String,
    /// 1: it is told where members are.
    #[serde(default)]
    pub report_location_flag: u8,
    /// 1: it is told when a member opens it.
    #[serde(default)]
    pub isreportenter: u8,
    /// Its page.
    #[serde(default)]
    pub home_url: String,
}

/// Members that see an application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedUsers {
    /// The members.
    #[serde(default)]
    pub user: Vec<AllowedUser>,
}

/// A member that sees an application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedUser {
    /// The member.
    pub userid: String,
}

/// Departments that see an application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedParties {
    /// The departments.
    #[serde(default)]
    pub partyid: Vec<u64>,
}

/// Tags that see an application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedTags {
    /// The tags.
    #[serde(default)]
    pub tagid: Vec<u64>,
}

endpoint!(GetAgent: Get "/cgi-bin/agent/get" => Agent, "https://developer.work.weixin.qq.com/document/path/90227", of agentid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetAgent { agentid: Some(AgentId(1_000_005)) }, "agentid=1000005");
        fixture::answers::<GetAgent>("agent/get");
    }
}
