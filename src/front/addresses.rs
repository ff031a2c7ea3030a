//! Who is asking: the address of a client, also behind proxies that are trusted, and how much each address has.

use crate::config::Cidr;
use hyper::HeaderMap;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// The proxies whose word is taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxies(Vec<Cidr>);

impl Proxies {
    pub(super) const fn new(ranges: Vec<Cidr>) -> Self {
        Self(ranges)
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// The client's address: the peer's, or, if that is a trusted proxy, the last one in `X-Forwarded-For` that isn't one.
    /// What stands before that was written by whoever is not trusted.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let mut client = peer;
        for value in headers.get_all("x-forwarded-for").iter().rev() {
            let Ok(text) = value.to_str() else {
                return client;
            };
            for entry in text.rsplit(',') {
                let Some(address) = address(entry.trim()) else {
                    return client;
                };
                client = address;
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }
}

/// An address as proxies write it: alone, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip());
    let alone = text.parse().ok();
    let address = alone.or_else(bracketed).or_else(with_port);
    address.map(|address: IpAddr| address.to_canonical())
}

/// How much each address has, if that is limited. Holds no more addresses than there are connections and requests.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    most: Option<usize>,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Addresses {
    pub(super) fn new(most: Option<usize>) -> Self {
        let held = Arc::default();
        Self { most, held }
    }

    /// A place; none if the address has as many as it may have.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let Some(most) = self.most else {
            return Some(Place(None));
        };
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = all.entry(address).or_insert(0);
        if *held >= most {
            return None;
        }
        *held += 1;
        Some(Place(Some((address, self.clone()))))
    }
}

/// A place among those of an address. Given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Option<(IpAddr, Addresses)>);

impl Drop for Place {
    fn drop(&mut self) {
        let Some((address, all)) = &self.0 else {
            return;
        };
        let mut all = all.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = all.get_mut(address) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                all.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far_as_they_go() {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        let client = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("X-Forwarded-For", value.parse().unwrap());
            }
            proxies.client(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("::1", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client("::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        // The first entries are what a client may have made up.
        let chain = ["127.0.0.1, 198.51.100.7, 10.9.9.9", "10.0.0.2"];
        assert_eq!(client("10.0.0.1", &chain), "198.51.100.7");
        // What can't be read ends the chain at the last proxy that could.
        assert_eq!(
            client("10.0.0.1", &["198.51.100.7, unknown, 10.0.0.3"]),
            "10.0.0.3"
        );
        assert_eq!(client("10.0.0.1", &["10.0.0.5"]), "10.0.0.5");
    }

    #[test]
    fn places_are_limited_per_address_and_given_back() {
        let [a, b]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse().unwrap());
        let addresses = Addresses::new(Some(2));
        let first = addresses.take(a).unwrap();
        let _second = addresses.take(a).unwrap();
        assert!(addresses.take(a).is_none());
        assert!(addresses.take(b).is_some());
        drop(first);
        assert!(addresses.take(a).is_some());
        assert_eq!(
            addresses.held.lock().unwrap().len(),
            1,
            "addresses without a place are forgotten"
        );
    }
}
