//! Which addresses a callback may go to. Apps choose the URLs, so without this they could have anything asked
//! that this machine can reach. Names are checked when they are resolved, and the connection is made to the
//! addresses that were checked: a name that means something else a moment later gains nothing by it.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// IPv4 addresses that are nobody's on the internet (IANA's registry of special purposes), and the one at which
/// Azure serves its machines.
const PRIVATE_4: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([168, 63, 129, 16], 32),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// The same within 2000::/3; all of IPv6 outside of that is nobody's either.
const PRIVATE_6: [([u16; 3], u32); 3] =
    [([0x2001, 0, 0], 23), ([0x2001, 0xdb8, 0], 32), ([0x3fff, 0, 0], 20)];

/// An address that callbacks must not go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) IpAddr);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host is at a private address; callbacks.allow_private does not name it")
    }
}

impl std::error::Error for Refused {}

/// Checks an address. One that carries another within it is judged by both.
pub(super) fn check(address: IpAddr, allowed: &[IpNet]) -> Result<(), Refused> {
    let named = |address: IpAddr| allowed.iter().any(|net| net.contains(&address));
    let address = address.to_canonical();
    if named(address) {
        return Ok(());
    }
    let public = match address {
        IpAddr::V4(address) => is_public_4(address),
        IpAddr::V6(address) => match within(address) {
            Some(inner) => {
                (named(inner.into()) || is_public_4(inner)) && (!is_isatap(address) || is_public_6(address))
            }
            None => is_public_6(address),
        },
    };
    if public { Ok(()) } else { Err(Refused(address)) }
}

fn is_public_4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    let holds = |(net, length): &([u8; 4], u8)| {
        (bits ^ Ipv4Addr::from(*net).to_bits()).leading_zeros() >= u32::from(*length)
    };
    !PRIVATE_4.iter().any(holds)
}

fn is_public_6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    let holds = |(net, length): &([u16; 3], u32)| {
        let [a, b, c] = *net;
        (bits ^ Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_bits()).leading_zeros() >= *length
    };
    bits >> 125 == 1 && !PRIVATE_6.iter().any(holds)
}

/// The IPv4 address that an IPv6 address leads to: by NAT64, 6to4 or ISATAP.
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(from(high, low)),
        _ => None,
    }
}

/// An address of this kind is its network's first, whatever that is.
const fn is_isatap(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, ..])
}

/// Checks the host of a URL if it is an address: nobody resolves those.
pub(super) fn check_url(url: &Url, allowed: &[IpNet]) -> Result<(), Refused> {
    match url.host() {
        Some(Host::Ipv4(address)) => check(address.into(), allowed),
        Some(Host::Ipv6(address)) => check(address.into(), allowed),
        Some(Host::Domain(_)) | None => Ok(()),
    }
}

/// Addresses of a name.
pub(super) type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who finds the addresses of names.
pub(super) type Lookup = Arc<dyn Fn(String) -> Found + Send + Sync>;

/// Finds addresses as the system does.
pub(super) fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Resolves names and refuses those with an address that callbacks must not go to.
pub(super) struct Guarded {
    pub(super) lookup: Lookup,
    pub(super) allowed: Arc<[IpNet]>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, allowed) = ((self.lookup)(name.as_str().to_owned()), Arc::clone(&self.allowed));
        Box::pin(async move {
            let found = found.await?;
            // One bad address among good ones is no accident.
            for address in &found {
                check(*address, &allowed)?;
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(text: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<IpNet> = allowed.iter().map(|net| net.parse().unwrap()).collect();
        check(text.parse().unwrap(), &allowed).is_ok()
    }

    #[test]
    fn private_addresses_are_refused_however_they_are_written() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "2606:4700::5efe:10.0.0.1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!judged(text, &[]), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "168.63.129.17",
            "172.32.0.1",
            "192.0.1.1",
            "100.128.0.1",
            "2606:4700:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(judged(text, &[]), "{text}");
        }
    }

    #[test]
    fn what_is_allowed_by_name_is_allowed_in_each_of_its_forms_and_nothing_else() {
        let allowed = ["127.0.0.0/8", "fd00::/8"];
        for text in ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "fd00::1"] {
            assert!(judged(text, &allowed), "{text}");
        }
        for text in ["10.0.0.1", "::1", "fc00::1"] {
            assert!(!judged(text, &allowed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_judged_as_the_one_it_maps(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let plain = check(address.into(), &[]).is_ok();
            prop_assert_eq!(check(address.to_ipv6_mapped().into(), &[]).is_ok(), plain);
            let [a, b, c, d] = address.octets().map(u16::from);
            let nat = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
            prop_assert_eq!(check(nat.into(), &[]).is_ok(), plain);
            let six = Ipv6Addr::new(0x2002, a << 8 | b, c << 8 | d, 0, 0, 0, 0, 1);
            prop_assert_eq!(check(six.into(), &[]).is_ok(), plain);
        }

        #[test]
        fn what_the_standard_library_calls_private_is_never_public(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_unspecified()
                || address.is_documentation();
            prop_assert!(!(special && is_public_4(address)));
        }
    }
}
