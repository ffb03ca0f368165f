//! Where a request comes from: its peer, or what a proxy says that is trusted by name.
//!
//! `X-Forwarded-For` is a list to which each proxy adds who called it; whatever stands before the last entry that no
//! trusted proxy wrote may be made up, and is not read.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Finds the address that a request comes from.
pub(super) fn of(request: &Request, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = request.extensions().get::<SocketAddr>()?.ip().to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    if !is_trusted(peer) {
        return Some(peer);
    }
    let said = request.headers().get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let chain: Vec<&str> = said.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut found = peer;
    for entry in chain.into_iter().rev() {
        let Ok(address) = entry.parse::<IpAddr>() else { break };
        found = address.to_canonical();
        if !is_trusted(found) {
            break;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let mut request = Request::builder();
        for value in forwarded {
            request = request.header(FORWARDED_FOR, *value);
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(SocketAddr::new(peer.parse().unwrap(), 1));
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "::1/128"].iter().map(|network| network.parse().unwrap()).collect();
        of(&request, &trusted).unwrap().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_whom_it_speaks_for() {
        for (peer, forwarded, expected) in [
            ("203.0.113.9", &[][..], "203.0.113.9"),
            ("203.0.113.9", &["10.1.1.1"][..], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("10.0.0.1", &["192.0.2.1, 198.51.100.7"][..], "198.51.100.7"),
            ("10.0.0.1", &["192.0.2.1", "198.51.100.7, 10.0.0.2"][..], "198.51.100.7"),
            ("10.0.0.1", &["not an address, 10.0.0.2"][..], "10.0.0.2"),
            ("10.0.0.1", &[][..], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["2001:db8::1"][..], "2001:db8::1"),
        ] {
            assert_eq!(seen(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }
}
