//! What the network may make a node hold, and for how long.

use std::time::Duration;

/// Messages that wait for the brain. Past it datagrams are refused and streams not read.
pub const QUEUE_MESSAGES_MAX: usize = 4096;
/// Messages that wait for one connection's socket. A peer that reads no faster is cut off.
pub const WRITE_QUEUE_MESSAGES_MAX: usize = 256;
/// Messages for other nodes that wait for one link.
pub const PEER_QUEUE_MESSAGES_MAX: usize = 4096;
/// Requests that wait for one media server.
pub const MEDIA_QUEUE_REQUESTS_MAX: usize = 4096;
/// Proposals on their way at once; the switch bounds what it asks for, this bounds a mistake.
pub const PROPOSALS_MAX: usize = 8192;
/// Names being looked up at once.
pub const LOOKUPS_MAX: usize = 256;

/// Open stream connections unless the configuration says otherwise.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Open stream connections of one address.
pub const CONNECTIONS_PER_SOURCE_MAX: usize = 4_096;
/// Connections that have not sent one whole message; the oldest gives way.
pub const HALF_OPEN_MAX: usize = 1_024;

/// From connecting to the first whole message, TLS handshake included.
pub const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// From the first octet of a message to its last.
pub const SLOW_SENDER_TIMEOUT: Duration = Duration::from_secs(10);
/// For one message to leave towards a peer.
pub const SLOW_READER_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence on a connection; a little more than the longest registration.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(3_700);
/// For a connection that we open.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Octets read from a stream at a time.
pub const READ_OCTETS: usize = 4 * 1024;
/// Datagrams handled before other tasks get their turn.
pub const DATAGRAMS_PER_TURN_MAX: usize = 64;
/// The largest UDP payload.
pub const DATAGRAM_OCTETS_MAX: usize = 65_535;
/// What the kernel may hold for a UDP listener while the process is busy.
pub const UDP_BUFFER_OCTETS: usize = 4 * 1024 * 1024;
/// Connections that the kernel may hold before they are accepted.
pub const ACCEPT_BACKLOG: i32 = 1_024;

/// Malformed messages of one address in [`OFFENCE_WINDOW`] before it is not listened to.
pub const OFFENCES_MAX: u32 = 50;
pub const OFFENCE_WINDOW: Duration = Duration::from_secs(10);
/// How long it is not listened to.
pub const SILENCE: Duration = Duration::from_secs(30);
/// Addresses watched at once; the longest unseen is forgotten.
pub const OFFENDERS_MAX: usize = 4_096;

/// Seconds a peer is asked to wait when the node is over its limits; spread so that they do not come back together.
pub const RETRY_AFTER_S: std::ops::RangeInclusive<u32> = 5..=20;

/// Answers of name servers that wait for the brain.
pub(crate) const LOOK_UPS_MAX: usize = 256;
