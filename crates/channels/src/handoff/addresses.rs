//! Which addresses a hook may be at: those of the public internet. What a name means
//! is decided once per connection, and the connection goes where the check looked.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What is not the public internet (IANA's registry of special addresses).
const SPECIAL_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Carriers' own.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local; clouds tell machines their secrets here.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Within 2000::/3; everything outside of it is special: loopback, mapped and
/// translated IPv4 (NAT64), unique local, link-local, multicast.
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    // Teredo and other protocols of the IETF.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4 holds any IPv4 address.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

const PUBLIC_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Whether an address belongs to the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|network| holds_v4(network, v4)),
        IpAddr::V6(v6) => {
            holds_v6(&PUBLIC_V6, v6) && !SPECIAL_V6.iter().any(|network| holds_v6(network, v6))
        }
    }
}

fn holds_v4((network, prefix): &(Ipv4Addr, u32), address: Ipv4Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= *prefix
}

fn holds_v6((network, prefix): &(Ipv6Addr, u32), address: Ipv6Addr) -> bool {
    (network.to_bits() ^ address.to_bits()).leading_zeros() >= *prefix
}

/// Where a hook may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Whether this machine is allowed too.
    pub(crate) allows_loopback: bool,
}

impl Rule {
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        is_public(address) || self.allows_loopback && address.is_loopback()
    }
}

/// A name that leads nowhere a hook may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name leads to no public address")]
pub(crate) struct Blocked;

impl Blocked {
    /// Whether this is why a request failed.
    pub(crate) fn caused(error: &reqwest::Error) -> bool {
        let mut cause = error.source();
        while let Some(error) = cause {
            if error.is::<Blocked>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

type LookingUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// How names become addresses.
pub type Lookup = Arc<dyn Fn(String) -> LookingUp + Send + Sync>;

/// As this machine does it.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    })
}

/// Gives the connection only addresses that were checked. So a name that changes its
/// mind between check and use gains nothing.
pub(crate) struct Resolver {
    pub(crate) lookup: Lookup,
    pub(crate) rule: Rule,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let looking_up = (self.lookup)(name.as_str().to_owned());
        let rule = self.rule;
        Box::pin(async move {
            let mut addresses = looking_up.await?;
            addresses.retain(|address| rule.allows(address.ip()));
            if addresses.is_empty() {
                return Err(Blocked.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for text in ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.192",
            "198.19.255.255",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2001::1",
            "2002:7f00:1::",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_rule_for_tests_allows_this_machine_and_nothing_else() {
        let rule = Rule { allows_loopback: true };

        assert!(rule.allows("127.0.0.1".parse().unwrap()) && rule.allows("::1".parse().unwrap()));
        assert!(!rule.allows("10.0.0.1".parse().unwrap()));
        assert!(!rule.allows("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!Rule { allows_loopback: false }.allows("127.0.0.1".parse().unwrap()));
    }
}
