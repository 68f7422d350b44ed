use std::net::SocketAddr;

use bytes::Bytes;
use carillon_model::{NodeId, Random, Transport};
use carillon_sip::transaction::{ClientKey, branch, tag};
use carillon_sip::{Via, ViaTransport};

pub(crate) const T1_MS: u64 = 500;
pub(crate) const T2_MS: u64 = 4_000;
/// 64 * T1: how long a peer is waited for (RFC 3261 §17.1.1.2, §13.3.1.4).
pub(crate) const PATIENCE_MS: u64 = 64 * T1_MS;
/// Room for the transaction layer to report first.
const SLACK_MS: u64 = 2_000;

/// What one step of a call is given: the time, and randomness.
pub(crate) struct Turn<'a> {
    pub(crate) now_ms: u64,
    random: &'a mut dyn Random,
    node: NodeId,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(now_ms: u64, random: &'a mut dyn Random, node: NodeId) -> Self {
        Self {
            now_ms,
            random,
            node,
        }
    }

    /// A tag of our side of a dialog.
    pub(crate) fn tag(&mut self) -> String {
        tag(self.node, &self.random.token(12))
    }

    /// A new client transaction, and the Via of its request.
    pub(crate) fn transaction(
        &mut self,
        transport: Transport,
        advertised: SocketAddr,
    ) -> (ClientKey, Bytes) {
        let key = ClientKey(self.random.next_u64());
        let transport = match transport {
            Transport::Udp => ViaTransport::Udp,
            Transport::Tcp => ViaTransport::Tcp,
            Transport::Tls => ViaTransport::Tls,
        };
        (
            key,
            Via::new(transport, advertised, &branch(self.node, key)).to_bytes(),
        )
    }

    pub(crate) fn call_id(&mut self) -> String {
        self.random.token(24)
    }

    /// Our side of a digest.
    pub(crate) fn client_nonce(&mut self) -> String {
        self.random.token(16)
    }

    /// Session id of an `o=` line; small enough for phones that read it as 32 bits.
    pub(crate) fn session_id(&mut self) -> u64 {
        self.random.next_u64() & 0x7fff_ffff
    }

    /// A start for RSeq (RFC 3262 §3).
    pub(crate) fn rseq(&mut self) -> u32 {
        (self.random.next_u64() & 0xffff) as u32 + 1
    }

    /// A time between both, in steps of 10 ms.
    pub(crate) fn between_ms(&mut self, low_ms: u64, high_ms: u64) -> u64 {
        let steps = (high_ms - low_ms) / 10 + 1;
        low_ms + self.random.next_u64() % steps * 10
    }

    /// When a request that nobody reported on is given up.
    pub(crate) fn give_up_at_ms(&self) -> u64 {
        self.now_ms + PATIENCE_MS + SLACK_MS
    }
}

/// Our Contact: the address of the acting node, never a name (an ACK to a name goes to a dead node).
pub(crate) fn contact(transport: Transport, advertised: SocketAddr) -> Bytes {
    Bytes::from(match transport {
        Transport::Udp => format!("<sip:{advertised}>"),
        Transport::Tcp | Transport::Tls => format!("<sip:{advertised};transport={transport}>"),
    })
}
