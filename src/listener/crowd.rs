//! Who is connected, and who waits for how long.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What counts as one peer: an IPv4 address, or the /64 that one IPv6 host can choose its addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(IpAddr);

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// In the TLS handshake.
    Handshake,
    /// No byte of a first request yet.
    Fresh,
    /// Between two requests.
    Idle,
    /// A request's head is arriving.
    Head,
    /// A request is under way.
    Busy,
}

/// All connections of a listener.
pub(super) struct Crowd {
    most: usize,
    members: Mutex<Members>,
    changed: Notify,
}

#[derive(Default)]
struct Members {
    next: u64,
    connected: HashMap<u64, Connected>,
}

struct Connected {
    address: Address,
    phase: Phase,
    since: Instant,
    cut: CancellationToken,
}

/// One connection's place; given back when dropped.
pub(super) struct Member {
    crowd: Arc<Crowd>,
    id: u64,
    /// The peer.
    pub address: Address,
    /// Cancelled when it has to make room.
    pub cut: CancellationToken,
}

impl Address {
    /// The peer behind an address.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V6(ip) => Self(IpAddr::V6((ip.to_bits() >> 64 << 64).into())),
            ip @ IpAddr::V4(_) => Self(ip),
        }
    }
}

impl Crowd {
    pub fn new(most: usize) -> Self {
        Self { most, members: Mutex::default(), changed: Notify::new() }
    }

    /// A place, if there is one.
    pub fn enter(self: &Arc<Self>, address: Address) -> Option<Member> {
        let mut members = self.members();
        if members.connected.len() >= self.most {
            return None;
        }
        let id = members.next;
        members.next += 1;
        let cut = CancellationToken::new();
        let connected = Connected { address, phase: Phase::Fresh, since: Instant::now(), cut: cut.clone() };
        members.connected.insert(id, connected);
        drop(members);
        Some(Member { crowd: Arc::clone(self), id, address, cut })
    }

    /// Cuts the connection that has waited longest of the address that has most of them; whether there was one. An
    /// address with few connections keeps them, however many another one opens.
    pub fn cut_longest_waiting(&self) -> bool {
        let mut members = self.members();
        let mut counts: HashMap<Address, usize> = HashMap::new();
        for connected in members.connected.values() {
            *counts.entry(connected.address).or_default() += 1;
        }
        let waiting = members.connected.iter().filter(|(_, connected)| connected.phase != Phase::Busy);
        let longest = waiting.max_by(|(_, one), (_, other)| {
            let count = |connected: &Connected| counts.get(&connected.address).copied();
            count(one).cmp(&count(other)).then_with(|| other.since.cmp(&one.since))
        });
        let Some(id) = longest.map(|(id, _)| *id) else { return false };
        if let Some(connected) = members.connected.remove(&id) {
            connected.cut.cancel();
        }
        true
    }

    /// Waits until a place may be free, or somebody can be cut.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Enters a phase; false when the connection has been cut meanwhile.
    pub fn enter(&self, phase: Phase) -> bool {
        let mut members = self.crowd.members();
        let Some(connected) = members.connected.get_mut(&self.id) else { return false };
        (connected.phase, connected.since) = (phase, Instant::now());
        drop(members);
        if phase != Phase::Busy {
            self.crowd.changed.notify_one();
        }
        true
    }

    /// Bytes have arrived.
    pub fn bytes(&self) {
        if matches!(self.phase(), Some((Phase::Fresh | Phase::Idle, _))) {
            self.enter(Phase::Head);
        }
    }

    /// What it does, and since when; nothing once it has been cut.
    pub fn phase(&self) -> Option<(Phase, Instant)> {
        self.crowd.members().connected.get(&self.id).map(|connected| (connected.phase, connected.since))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crowd.members().connected.remove(&self.id);
        self.crowd.changed.notify_one();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::of(text.parse().unwrap())
    }

    #[test]
    fn an_ipv6_host_counts_once_whatever_it_appends() {
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:10.0.0.1"), address("10.0.0.1"));
        assert_ne!(address("10.0.0.1"), address("10.0.0.2"));
    }

    #[test]
    fn the_longest_waiting_of_the_busiest_address_makes_room_and_nobody_with_a_request_does() {
        let crowd = Arc::new(Crowd::new(4));
        let honest = crowd.enter(address("10.0.0.1")).unwrap();
        let others: Vec<_> = (0..3).map(|_| crowd.enter(address("10.0.0.2")).unwrap()).collect();
        assert!(crowd.enter(address("10.0.0.1")).is_none());
        assert!(others[0].enter(Phase::Busy));
        assert!(crowd.cut_longest_waiting());
        assert!(others[1].cut.is_cancelled() && !others[1].enter(Phase::Busy));
        assert!(crowd.enter(address("10.0.0.3")).is_some());
        assert!(crowd.cut_longest_waiting() && others[2].cut.is_cancelled());
        assert!(honest.enter(Phase::Busy));
        assert!(!crowd.cut_longest_waiting(), "all are busy");
        drop(others);
        assert!(!honest.cut.is_cancelled());
    }
}
