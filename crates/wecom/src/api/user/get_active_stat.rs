//! POST /cgi-bin/user/get_active_stat: how many members were active on a day.
//! <https://developer.work.weixin.qq.com/document/path/92714>

use serde::{Deserialize, Serialize};

/// Asks how many members were active on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GetActiveStat {
    /// `YYYY-MM-DD`.
    pub date: String,
}

/// The answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveStat {
    /// Members.
    #[serde(default)]
    pub active_cnt: u64,
}

endpoint!(GetActiveStat: Post "/cgi-bin/user/get_active_stat" => ActiveStat, "https://developer.work.weixin.qq.com/document/path/92714");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(&GetActiveStat { date: "2020-03-27".into() }, "user/get_active_stat");
        fixture::answers::<GetActiveStat>("user/get_active_stat");
    }
}
