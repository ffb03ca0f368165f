//! GET /cgi-bin/get_api_domain_ip: the addresses of WeCom's API.
//! <https://developer.work.weixin.qq.com/document/path/92520>

use serde::{Deserialize, Serialize};

/// Asks for the addresses of WeCom's API, for a firewall. Pull it daily.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GetApiDomainIp {}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpList {
    /// Addresses; some end in `.*`. See [`super::IpRange`].
    #[serde(default)]
    pub ip_list: Vec<String>,
}

endpoint!(GetApiDomainIp: Get "/cgi-bin/get_api_domain_ip" => IpList, "https://developer.work.weixin.qq.com/document/path/92520");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetApiDomainIp {}, "");
        fixture::answers::<GetApiDomainIp>("network/get_api_domain_ip");
    }
}
