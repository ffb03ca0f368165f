//! POST /cgi-bin/message/get_statistics: how many people each application reached.
//! <https://developer.work.weixin.qq.com/document/path/92369>

use serde::{Deserialize, Serialize};

use crate::AgentId;

/// Asks how many people the applications of the company reached in a day.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GetStatistics {
    /// 0 today, 1 yesterday.
    pub time_type: u8,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// One entry an application.
    #[serde(default)]
    pub statistics: Vec<AppStatistics>,
}

/// What one application reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppStatistics {
    /// The application.
    pub agentid: AgentId,
    /// Its name.
    #[serde(default)]
    pub app_name: String,
    /// Person-times that succeeded.
    #[serde(default)]
    pub count: u64,
}

endpoint!(GetStatistics: Post "/cgi-bin/message/get_statistics" => Statistics, "https://developer.work.weixin.qq.com/document/path/92369");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&GetStatistics { time_type: 0 }, "message/get_statistics");
        let answer = fixture::answers::<GetStatistics>("message/get_statistics");
        assert_eq!(answer.statistics[0].count, 101);
    }
}
