use prometheus::Registry;

use super::instrument::{self, Counter, Counters, Gauge, Gauges};

/// The transports that SIP comes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Udp,
    Tcp,
    Tls,
}

impl Wire {
    const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// Why a connection was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    TooMany,
    TooManyOfSource,
    Handshake,
    SlowSender,
    SlowReader,
    Idle,
    Framing,
}

impl Refusal {
    const ALL: [Self; 7] = [
        Self::TooMany,
        Self::TooManyOfSource,
        Self::Handshake,
        Self::SlowSender,
        Self::SlowReader,
        Self::Idle,
        Self::Framing,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::TooMany => "too_many",
            Self::TooManyOfSource => "too_many_of_source",
            Self::Handshake => "handshake",
            Self::SlowSender => "slow_sender",
            Self::SlowReader => "slow_reader",
            Self::Idle => "idle",
            Self::Framing => "framing",
        }
    }
}

/// Why a message was not worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// The queue to the brain was full and the sender was told so.
    Answered,
    /// The queue was full and nothing could be said.
    Dropped,
    /// The source sends too much that makes no sense.
    Flood,
    /// The peer that holds the flow could not be reached.
    Unreachable,
}

impl Shed {
    const ALL: [Self; 4] = [
        Self::Answered,
        Self::Dropped,
        Self::Flood,
        Self::Unreachable,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Answered => "overload_answered",
            Self::Dropped => "overload_dropped",
            Self::Flood => "flood",
            Self::Unreachable => "unreachable",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFailure {
    UnknownUser,
    WrongPassword,
    Blocked,
    BadRequest,
}

impl AuthFailure {
    const ALL: [Self; 4] = [
        Self::UnknownUser,
        Self::WrongPassword,
        Self::Blocked,
        Self::BadRequest,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::Blocked => "blocked",
            Self::BadRequest => "bad_request",
        }
    }
}

/// Methods that get a label of their own; every other one is `OTHER`.
const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "INFO",
    "PRACK",
    "UPDATE",
    "REFER",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
    "PUBLISH",
];

/// SIP at this node's sockets and in its transactions.
#[derive(Clone, Debug)]
pub struct SipMetrics {
    pub transactions_active: Gauge,
    pub registrations_active: Gauge,
    /// Contacts accepted by this node alone.
    pub unprotected_registrations: Counter,
    /// Messages that wait for the brain.
    pub queue_length: Gauge,
    /// Messages handed to the node that holds the call or the connection.
    pub forwarded: Counter,
    requests: Counters,
    received: Counters,
    sent: Counters,
    malformed: Counters,
    shed: Counters,
    connections: Gauges,
    refused: Counters,
    auth_failures: Counters,
}

impl SipMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let metrics = Self {
            transactions_active: instrument::gauge(
                registry,
                "carillon_sip_transactions_active",
                "SIP transactions in memory.",
            ),
            registrations_active: instrument::gauge(
                registry,
                "carillon_registrations_active",
                "Contacts registered in the whole cluster, as this node sees them.",
            ),
            unprotected_registrations: instrument::counter(
                registry,
                "carillon_registrations_unprotected_total",
                "Contacts accepted before a quorum had them.",
            ),
            queue_length: instrument::gauge(
                registry,
                "carillon_sip_queue_messages",
                "SIP messages waiting for the call engine.",
            ),
            forwarded: instrument::counter(
                registry,
                "carillon_sip_forwarded_total",
                "SIP messages handed to another node.",
            ),
            requests: instrument::counters(
                registry,
                "carillon_sip_requests_total",
                "Requests answered, by method and class of the final response.",
                &["method", "code_class"],
            ),
            received: instrument::counters(
                registry,
                "carillon_sip_received_messages_total",
                "SIP messages read from sockets.",
                &["transport"],
            ),
            sent: instrument::counters(
                registry,
                "carillon_sip_sent_messages_total",
                "SIP messages written to sockets.",
                &["transport"],
            ),
            malformed: instrument::counters(
                registry,
                "carillon_sip_malformed_messages_total",
                "Octets that were no SIP message.",
                &["transport"],
            ),
            shed: instrument::counters(
                registry,
                "carillon_sip_shed_total",
                "SIP messages that were not worked on, by reason.",
                &["reason"],
            ),
            connections: instrument::gauges(
                registry,
                "carillon_sip_connections_active",
                "Open stream connections.",
                &["transport"],
            ),
            refused: instrument::counters(
                registry,
                "carillon_sip_connections_refused_total",
                "Stream connections closed by us, by reason.",
                &["reason"],
            ),
            auth_failures: instrument::counters(
                registry,
                "carillon_sip_auth_failures_total",
                "Requests with credentials that did not hold, by reason.",
                &["reason"],
            ),
        };
        metrics.show_zeroes();
        metrics
    }

    fn show_zeroes(&self) {
        for wire in Wire::ALL {
            self.received(wire);
            self.sent(wire);
            self.malformed(wire);
            self.connections(wire);
        }
        for shed in Shed::ALL {
            self.shed(shed);
        }
        for refusal in Refusal::ALL {
            self.refused(refusal);
        }
        for failure in AuthFailure::ALL {
            self.auth_failures.at(&[failure.label()]);
        }
    }

    /// A request of a phone got its final answer.
    pub fn answered(&self, method: &str, code: u16) {
        let method = METHODS
            .iter()
            .find(|known| **known == method)
            .unwrap_or(&"OTHER");
        let class = match code {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            500..=599 => "5xx",
            _ => "6xx",
        };
        self.requests.at(&[method, class]).increment();
    }

    pub fn auth_failed(&self, failure: AuthFailure) {
        self.auth_failures.at(&[failure.label()]).increment();
    }

    pub fn received(&self, wire: Wire) -> Counter {
        self.received.at(&[wire.label()])
    }

    pub fn sent(&self, wire: Wire) -> Counter {
        self.sent.at(&[wire.label()])
    }

    pub fn malformed(&self, wire: Wire) -> Counter {
        self.malformed.at(&[wire.label()])
    }

    pub fn connections(&self, wire: Wire) -> Gauge {
        self.connections.at(&[wire.label()])
    }

    pub fn shed(&self, shed: Shed) -> Counter {
        self.shed.at(&[shed.label()])
    }

    pub fn refused(&self, refusal: Refusal) -> Counter {
        self.refused.at(&[refusal.label()])
    }
}
