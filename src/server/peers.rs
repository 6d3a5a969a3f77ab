//! Counts connections by address, and keeps each address once, however many come from there. The
//! operator's, and those where the figures are read, are not counted.

use std::net::{IpAddr, Ipv4Addr};

use crate::connection::{Connection, PeerId, Share};
use crate::map::Map;

/// The addresses from which there are connections. The place of each is its number.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: Map<IpAddr, Peer>,
}

#[derive(Debug)]
struct Peer {
    connections: u32,
    /// Its share of the server, unless each of its connections has its own.
    share: Option<Share>,
}

impl Peers {
    /// Enters a connection from this address. Returns also how many there are from there now.
    /// `share` is that of all of them, if they have one together and this is the first.
    pub(super) fn enter(&mut self, address: IpAddr, share: Option<Share>) -> (PeerId, usize) {
        let new = || Peer { connections: 0, share };
        let id = PeerId(self.peers.place_or_insert_with(address, new));
        let peer = self.peer_mut(id);
        peer.connections += 1;
        (id, peer.connections as usize)
    }

    /// The share that a connection draws on: its address's, or its own.
    pub(super) fn share<'a>(&'a mut self, connection: &'a mut Connection) -> &'a mut Share {
        let peer = self.peers.at_mut(connection.peer.0);
        peer.and_then(|peer| peer.share.as_mut()).unwrap_or(&mut connection.share)
    }

    /// One of its connections is gone.
    pub(super) fn leave(&mut self, id: PeerId) {
        if !id.is_counted() {
            return;
        }
        let peer = self.peer_mut(id);
        peer.connections -= 1;
        if peer.connections == 0 {
            let address = self.address(id);
            self.peers.remove(&address);
        }
    }

    pub(super) fn address(&self, id: PeerId) -> IpAddr {
        if !id.is_counted() {
            return IpAddr::V4(Ipv4Addr::LOCALHOST);
        }
        // invariant: only its connections name a peer.
        *self.peers.at(id.0).expect("a peer with connections").0
    }

    fn peer_mut(&mut self, id: PeerId) -> &mut Peer {
        // invariant: as above.
        self.peers.at_mut(id.0).expect("a peer with connections")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_while_somebody_is_connected_from_there() {
        let mut peers = Peers::default();
        let [one, other] = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap());
        let (id, count) = peers.enter(one, None);
        assert_eq!((peers.enter(one, None), count), ((id, 2), 1));
        let (other_id, count) = peers.enter(other, Some(Share(7)));
        assert_eq!(count, 1);
        for (connection, share) in [(other_id, 7), (PeerId::OPERATOR, 9)] {
            let mut connection = Connection::new(connection, Share(9));
            assert_eq!(peers.share(&mut connection), &Share(share));
        }
        peers.leave(id);
        assert_eq!((peers.address(id), peers.enter(one, None)), (one, (id, 2)));
        let mut connection = Connection::new(id, Share(3));
        assert_eq!(peers.share(&mut connection), &Share(3), "its own");
        peers.leave(id);
        peers.leave(id);
        assert_eq!(peers.peers.len(), 1);
        assert_eq!(peers.enter(one, None).1, 1);
    }
}
