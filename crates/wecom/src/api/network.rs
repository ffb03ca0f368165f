//! WeCom's own addresses, for firewalls. <https://developer.work.weixin.qq.com/document/path/92520>

mod get_api_domain_ip;
mod getcallbackip;

pub use get_api_domain_ip::{GetApiDomainIp, IpList};
pub use getcallbackip::GetCallbackIp;

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// An entry of an address list: `182.254.11.176`, `101.226.103.*` or `101.226.103.0/25`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange {
    first: IpAddr,
    prefix: u8,
}

/// The entry is no address, address with `*`, or CIDR block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of 182.254.11.176, 101.226.103.* and 101.226.103.0/25")]
pub struct InvalidIpRange(String);

impl IpRange {
    /// Tells whether an address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                u32::from(first) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(first) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

impl FromStr for IpRange {
    type Err = InvalidIpRange;

    fn from_str(text: &str) -> Result<Self, InvalidIpRange> {
        let invalid = || InvalidIpRange(text.to_owned());
        let stars = text.split('.').rev().take_while(|part| *part == "*").count();
        if stars > 0 {
            let first: Ipv4Addr = text.replace('*', "0").parse().map_err(|_| invalid())?;
            let octets = u8::try_from(stars).ok().and_then(|stars| 4_u8.checked_sub(stars)).ok_or_else(invalid)?;
            return Ok(Self { first: first.into(), prefix: octets * 8 });
        }
        let (first, prefix) = text.split_once('/').map_or((text, None), |(first, prefix)| (first, Some(prefix)));
        let first: IpAddr = first.parse().map_err(|_| invalid())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |prefix| prefix.parse().map_err(|_| invalid()))?;
        if prefix > most {
            return Err(invalid());
        }
        Ok(Self { first, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stars_and_blocks_are_told_apart() {
        for (range, inside, outside) in [
            ("182.254.11.176", "182.254.11.176", "182.254.11.177"),
            ("101.226.103.*", "101.226.103.9", "101.226.104.9"),
            ("101.226.*.*", "101.226.4.9", "101.227.4.9"),
            ("101.226.103.0/25", "101.226.103.127", "101.226.103.128"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("101.226.103.*", "::ffff:101.226.103.9", "::1"),
        ] {
            let range: IpRange = range.parse().unwrap();
            assert!(range.contains(inside.parse().unwrap()) && !range.contains(outside.parse().unwrap()), "{range:?}");
        }
        for bad in ["", "1.2.3", "1.2.3.4/33", "*", "a.b.c.d", "1.*.3.4"] {
            assert!(bad.parse::<IpRange>().is_err(), "{bad}");
        }
    }
}
