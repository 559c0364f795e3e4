//! How many connections there may be: in all, from one address, and how many are kept for admins.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::network;

/// Of so many places one is kept for those who show an admin's token: an operator must get in when it is crowded.
const RESERVED_ONE_IN: usize = 20;

/// Counts connections.
#[derive(Debug)]
pub(super) struct Gate {
    places: Arc<Semaphore>,
    /// The places that anybody may have.
    common: Arc<Semaphore>,
    per_address: usize,
    addresses: Arc<Addresses>,
}

type Addresses = Mutex<HashMap<IpAddr, usize>>;

/// One connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
    common: Option<OwnedSemaphorePermit>,
    address: Option<(IpAddr, Arc<Addresses>)>,
}

impl Gate {
    pub(super) fn new(connections: usize, per_address: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(connections)),
            common: Arc::new(Semaphore::new(connections - connections / RESERVED_ONE_IN)),
            per_address,
            addresses: Arc::default(),
        }
    }

    /// A place for a connection from this address, if there is one.
    pub(super) fn enter(&self, peer: IpAddr) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let is_loopback = peer.to_canonical().is_loopback();
        let address = if is_loopback { None } else { Some(self.count(network(peer))?) };
        let common = Arc::clone(&self.common).try_acquire_owned().ok();
        Some(Place { _place: place, common, address })
    }

    fn count(&self, peer: IpAddr) -> Option<(IpAddr, Arc<Addresses>)> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(peer).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some((peer, Arc::clone(&self.addresses)))
    }
}

impl Place {
    /// Whether it is one of those that are kept for admins.
    pub(super) fn is_reserved(&self) -> bool {
        self.common.is_none()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((peer, addresses)) = &self.address else { return };
        let mut addresses = addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(peer) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn w14_one_address_has_only_so_many_connections_and_loopback_is_not_one() {
        let gate = Gate::new(100, 2);
        let places: Vec<_> = (0..2).map(|_| gate.enter(ip("192.0.2.1")).unwrap()).collect();
        assert!(gate.enter(ip("192.0.2.1")).is_none() && gate.enter(ip("::ffff:192.0.2.1")).is_none());
        assert!(gate.enter(ip("192.0.2.2")).is_some());
        assert!((0..9).map(|_| gate.enter(ip("127.0.0.1"))).collect::<Vec<_>>().iter().all(Option::is_some));
        drop(places);
        assert!(gate.enter(ip("192.0.2.1")).is_some());
        assert!(gate.addresses.lock().unwrap().is_empty(), "nothing is remembered of those who left");
    }

    #[test]
    fn w14_all_addresses_of_one_ipv6_network_count_as_one() {
        let gate = Gate::new(100, 1);
        let _place = gate.enter(ip("2001:db8::1")).unwrap();
        assert!(gate.enter(ip("2001:db8::2")).is_none());
        assert!(gate.enter(ip("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn w14_the_last_of_twenty_is_kept_and_there_are_no_more_than_all() {
        let gate = Gate::new(20, 20);
        let places: Vec<_> = (0..20).map(|_| gate.enter(ip("127.0.0.1")).unwrap()).collect();
        let reserved: Vec<bool> = places.iter().map(Place::is_reserved).collect();
        assert_eq!(reserved.iter().filter(|reserved| **reserved).count(), 1);
        assert!(reserved[19] && gate.enter(ip("127.0.0.1")).is_none());
    }
}
