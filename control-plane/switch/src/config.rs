use carillon_call::Policy;
use carillon_model::{FloatingAddress, NodeId, SipListener};
use carillon_sip::transaction::Timers;

/// Of Europe and North America, and of France and the United Kingdom besides.
const EMERGENCY_NUMBERS: [&str; 7] = ["112", "911", "15", "17", "18", "114", "999"];

/// What an operator decides about a node's SIP.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which node this is.
    pub node: NodeId,
    /// Where it takes SIP, as others see it. The `local` of each [`carillon_model::Flow`] that comes in is one of
    /// these addresses, also where the socket is bound to all addresses of the machine.
    pub listeners: Vec<SipListener>,
    /// The address that others hold while this node is away; with one, it holds theirs.
    pub floating: Option<FloatingAddress>,
    /// Connections of this process have numbers from here on; those with smaller ones have ended with an earlier process.
    pub first_connection: u64,
    /// What our responses say of us (`Server`); nothing when empty.
    pub server: String,
    /// Calls.
    pub policy: Policy,
    /// Registrations.
    pub registrar: Registrar,
    /// Time between two OPTIONS to a contact that is registered here; `None`: contacts are not asked.
    pub qualify_interval_ms: Option<u64>,
    /// A call in set-up that cannot be committed goes on unprotected rather than being refused.
    pub unprotected_calls: bool,
    /// Numbers whose calls go before others.
    pub emergency_numbers: Vec<String>,
    /// T1, T2, T4.
    pub timers: Timers,
    /// What peers may make the node hold.
    pub limits: Limits,
}

/// Lifetime of registrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registrar {
    /// Shorter ones are refused with 423.
    pub min_expires_s: u32,
    /// Longer ones are shortened.
    pub max_expires_s: u32,
    /// For a phone that names none.
    pub default_expires_s: u32,
    /// Contacts of one line.
    pub contacts: usize,
    /// A contact that the quorum does not confirm in time is accepted for a while, and known to one node alone, rather
    /// than being refused.
    pub without_quorum: bool,
}

/// What peers may make the node hold. Past a limit new work is refused with 503 and a Retry-After.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls that this node owns.
    pub calls: usize,
    /// Transactions, both ways.
    pub transactions: usize,
    /// Commands on their way to the quorum.
    pub proposals: usize,
    /// Call records that wait for a quorum.
    pub records: usize,
}

impl Config {
    /// The defaults for a node with these listeners.
    pub fn new(node: NodeId, listeners: Vec<SipListener>) -> Self {
        Self {
            node,
            listeners,
            floating: None,
            first_connection: u64::MAX,
            server: concat!("Carillon/", env!("CARGO_PKG_VERSION")).to_owned(),
            policy: Policy::default(),
            registrar: Registrar::default(),
            qualify_interval_ms: None,
            unprotected_calls: false,
            emergency_numbers: EMERGENCY_NUMBERS.map(str::to_owned).to_vec(),
            timers: Timers::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Registrar {
    fn default() -> Self {
        Self {
            min_expires_s: 60,
            max_expires_s: 3600,
            default_expires_s: 120,
            contacts: carillon_model::MAX_BINDINGS,
            without_quorum: false,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 20_000,
            transactions: 100_000,
            proposals: 16_384,
            records: 50_000,
        }
    }
}
