//! GET /cgi-bin/getcallbackip: the addresses that WeCom calls back from.
//! <https://developer.work.weixin.qq.com/document/path/92521>

use serde::Serialize;

use super::IpList;

/// Asks for the addresses that WeCom calls back from, for a firewall. Pull it daily.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GetCallbackIp {}

endpoint!(GetCallbackIp: Get "/cgi-bin/getcallbackip" => IpList, "https://developer.work.weixin.qq.com/document/path/92521");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetCallbackIp {}, "");
        fixture::answers::<GetCallbackIp>("network/getcallbackip");
    }
}
