//! Whose request it is: the peer's address, or the one a trusted proxy names.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use clap::Args;
use ipnet::IpNet;

use crate::Ingress;

const FORWARDED_FOR: &str = "x-forwarded-for";

#[derive(Debug, Clone, Args)]
pub struct ProxySettings {
    /// Addresses or networks whose X-Forwarded-For is believed, comma-separated
    #[arg(long, env = "FTE_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,
}

/// An address or a network in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = ipnet::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let alone = text.parse::<IpAddr>().map(IpNet::from);
        alone.or_else(|_| text.parse()).map(Self)
    }
}

impl Network {
    fn contains(self, ip: IpAddr) -> bool {
        self.0.contains(&ip)
    }
}

/// The client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller(pub(crate) IpAddr);

impl FromRequestParts<Ingress> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, ingress: &Ingress) -> Result<Self, Infallible> {
        // Without a connection (a router driven directly) everybody is one caller.
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
        Ok(Self(client(peer.to_canonical(), &parts.headers, &ingress.trusted_proxies)))
    }
}

/// The rightmost address that no trusted proxy owns: everything left of it is
/// what a client may have written itself.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    if !is_trusted(peer) {
        return peer;
    }
    let mut nearest = peer;
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    let hops = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    for hop in hops {
        // An entry nobody can read ends what may be believed.
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { return nearest };
        nearest = ip.to_canonical();
        if !is_trusted(nearest) {
            return nearest;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let headers = forwarded
            .iter()
            .map(|line| (FORWARDED_FOR.parse().unwrap(), line.parse().unwrap()))
            .collect();
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_header_from_a_peer_nobody_trusts_is_ignored() {
        assert_eq!(of("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(of("192.0.2.1", &["198.51.100.7"], &["10.0.0.0/8"]), "192.0.2.1");
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        let trusted = ["10.0.0.0/8", "203.0.113.9"];

        assert_eq!(of("10.1.1.1", &["198.51.100.7"], &trusted), "198.51.100.7");
        assert_eq!(
            of("10.1.1.1", &["1.2.3.4, 198.51.100.7, 203.0.113.9"], &trusted),
            "198.51.100.7"
        );
        assert_eq!(of("10.1.1.1", &["1.2.3.4", "198.51.100.7"], &trusted), "198.51.100.7");
        assert_eq!(of("10.1.1.1", &["2001:db8::1"], &trusted), "2001:db8::1");
    }

    #[test]
    fn a_broken_or_missing_header_leaves_the_nearest_known_address() {
        let trusted = ["10.0.0.0/8"];

        assert_eq!(of("10.1.1.1", &[], &trusted), "10.1.1.1");
        assert_eq!(of("10.1.1.1", &["198.51.100.7, unknown"], &trusted), "10.1.1.1");
        assert_eq!(of("10.1.1.1", &["unknown, 10.2.2.2"], &trusted), "10.2.2.2");
    }

    #[test]
    fn rubbish_is_no_network() {
        for text in ["", "10.0.0.0/33", "proxy.example", "10.0.0"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
