//! Trunks: connections to carriers, and the registrations that they need there.

use serde::{Deserialize, Serialize};

use crate::{
    AddressRules, Billing, CodecRules, EndpointId, Epoch, NodeId, Numbering, RegisterId, Secret,
    SipEndpoint, TimerRules, Transport, TrunkId,
};

/// Contacts of a trunk that its carrier may know at a time.
pub const MAX_TRUNK_CONTACTS: usize = 8;
/// Time between two OPTIONS to a carrier, if its endpoint only says that it is to be asked.
const QUALIFY_MS: u64 = 60_000;

/// The resource whose lease says which node registers a trunk at its carrier.
pub fn trunk_resource(trunk: TrunkId) -> String {
    format!("trunk/{trunk}")
}

/// A connection to a carrier. Its address, credentials and options are those of its SIP endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trunk {
    /// Number of the trunk.
    pub id: TrunkId,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// A name, unique among trunks; made of the number if nobody gave one.
    pub name: String,
    /// Name of the context in which calls from the carrier land.
    pub context: Option<String>,
    /// How numbers of callers are written for the carrier: `+E164`, `E164` or `national`.
    pub outgoing_caller_id_format: String,
    /// Address, credentials and options.
    pub endpoint_sip: Option<EndpointId>,
    /// How it registers there, if it does.
    pub register_sip: Option<RegisterId>,
}

/// A registration at a carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Register {
    /// Number of the registration.
    pub id: RegisterId,
    /// Log index of the last change: what an update must quote.
    pub revision: u64,
    /// Whether it is kept up.
    pub enabled: bool,
    /// By what the carrier is reached; by what its name servers say if nobody said.
    pub transport: Option<Transport>,
    /// The name that is registered.
    pub sip_username: String,
    /// The name in the credentials; the registered one if nobody gave one.
    pub auth_username: Option<String>,
    /// The password.
    pub auth_password: Secret,
    /// The realm whose challenges are answered; any if nobody said.
    pub realm: Option<String>,
    /// Name or address of the carrier's registrar.
    pub remote_host: String,
    /// Its port; what its name servers say if nobody said.
    pub remote_port: Option<u16>,
    /// What the carrier calls us by: user part of the contact.
    pub callback_extension: Option<String>,
    /// For how long to register.
    pub expiration_s: u32,
}

impl Default for Register {
    fn default() -> Self {
        Self {
            id: RegisterId(0),
            revision: 0,
            enabled: true,
            transport: None,
            sip_username: String::new(),
            auth_username: None,
            auth_password: Secret::default(),
            realm: None,
            remote_host: String::new(),
            remote_port: None,
            callback_extension: None,
            expiration_s: 300,
        }
    }
}

/// How a carrier is told who calls, besides From.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityHeader {
    /// It is not.
    #[default]
    None,
    /// P-Asserted-Identity (RFC 3325).
    Asserted,
    /// Remote-Party-ID, as older switches want it.
    RemoteParty,
}

/// What the options of a trunk's endpoint say, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkOptions {
    /// User part of From (`fromuser`).
    pub from_user: Option<String>,
    /// Host of From (`fromdomain`).
    pub from_domain: Option<String>,
    /// `sendrpid`: `pai`, or `yes` and `rpid`.
    pub identity: IdentityHeader,
    /// What the carrier says of the caller is believed (`trustrpid`).
    pub trusts_identity: bool,
    /// Calls at a time (`call-limit`); no limit where it is 0 or not there.
    pub call_limit: Option<u32>,
    /// Time between two OPTIONS (`qualify`, `qualifyfreq` in seconds).
    pub qualify_ms: Option<u64>,
    /// By what it is reached (`transport`, the first one).
    pub transport: Option<Transport>,
    /// By what its calls may come (`transport`, all of them); by anything where none is named.
    pub transports: Vec<Transport>,
    /// Its port (`port`).
    pub port: Option<u16>,
    /// Name in the credentials of calls (`auth_username`); the endpoint's if there is none.
    pub auth_username: Option<String>,
    /// Calls at a time from which on the carrier hears that we are busy (`busylevel`).
    pub busy_level: Option<u32>,
    /// The one number that its calls are for, whatever they dial (`callbackextension`).
    pub incoming_extension: Option<String>,
    /// From where it may call (`permit`, `deny`).
    pub addresses: AddressRules,
    /// `allow`, `disallow`, `dtmfmode`.
    pub codecs: CodecRules,
    /// `session-timers` and what belongs to it.
    pub timers: TimerRules,
    /// Silence of the carrier that ends a call (`rtptimeout`): 0 for none that does; as for all calls where nobody said.
    pub rtp_timeout_s: Option<u32>,
    /// Calls of the carrier hear nothing before they are answered (`progressinband` is `never`).
    pub never_rings_in_band: bool,
    /// `accountcode`, `amaflags`.
    pub billing: Billing,
    /// Where numbers of callers are at home (`country_code`, `national_prefix`).
    pub numbering: Numbering,
}

impl TrunkOptions {
    /// Reads the options; what cannot be read counts as not there, for apply has refused it.
    pub fn of(endpoint: &SipEndpoint) -> Self {
        let text = |name: &str| endpoint.option(name).map(str::to_owned);
        let number = |name: &str| {
            let value = endpoint.option(name)?;
            value.parse::<u32>().ok()
        };
        let transports = endpoint.option("transport").unwrap_or_default();
        let transports: Vec<_> = transports.split(',').filter_map(transport_of).collect();
        let qualified = endpoint
            .option("qualify")
            .is_some_and(|value| !is_no(value));
        let frequency = number("qualifyfreq").map(u64::from);
        Self {
            from_user: text("fromuser"),
            from_domain: text("fromdomain"),
            identity: match endpoint.option("sendrpid") {
                Some("pai") => IdentityHeader::Asserted,
                Some("yes" | "rpid") => IdentityHeader::RemoteParty,
                Some(_) | None => IdentityHeader::None,
            },
            trusts_identity: endpoint
                .option("trustrpid")
                .is_some_and(|value| !is_no(value)),
            call_limit: number("call-limit").filter(|limit| *limit > 0),
            qualify_ms: qualified
                .then(|| frequency.map_or(QUALIFY_MS, |seconds| seconds.max(1) * 1_000)),
            transport: transports.first().copied(),
            transports,
            port: endpoint.option("port").and_then(|value| value.parse().ok()),
            auth_username: text("auth_username"),
            busy_level: number("busylevel").filter(|level| *level > 0),
            incoming_extension: text("callbackextension").filter(|exten| !exten.is_empty()),
            addresses: AddressRules::of(endpoint),
            codecs: CodecRules::of(endpoint),
            timers: TimerRules::of(endpoint),
            rtp_timeout_s: number("rtptimeout"),
            never_rings_in_band: endpoint.option("progressinband") == Some("never"),
            billing: Billing::of(endpoint),
            numbering: Numbering {
                country_code: text("country_code").filter(|code| !code.is_empty()),
                national_prefix: text("national_prefix").unwrap_or_else(|| "0".to_owned()),
            },
        }
    }
}

fn is_no(value: &str) -> bool {
    matches!(value, "" | "no" | "false" | "0")
}

pub(crate) fn transport_of(text: &str) -> Option<Transport> {
    match text.trim() {
        "udp" => Some(Transport::Udp),
        "tcp" => Some(Transport::Tcp),
        "tls" => Some(Transport::Tls),
        _ => None,
    }
}

/// How far the registration of a trunk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkState {
    /// Nobody has asked the carrier.
    #[default]
    Unregistered,
    /// A node is about to ask, or has asked.
    Registering,
    /// The carrier has said yes.
    Registered,
    /// The carrier has said no, or nothing.
    Refused,
}

/// What the owner of a trunk says of its registration. It is said before the carrier is asked, so that an heir knows which
/// contacts the carrier may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkReport {
    /// Of which trunk.
    pub trunk: TrunkId,
    /// The owner.
    pub node: NodeId,
    /// Since when: the epoch of the lease.
    pub epoch: Epoch,
    /// How far it is.
    pub state: TrunkState,
    /// The contacts that the carrier may have, the owner's last.
    pub contacts: Vec<String>,
    /// The last answer of the carrier; nothing where it was silent or was not asked.
    #[serde(default)]
    pub code: Option<u16>,
    /// Until when the carrier has the contact.
    #[serde(default)]
    pub expires_at_ms: u64,
    /// When that was so; written by apply.
    #[serde(default)]
    pub at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(options: &[(&str, &str)]) -> SipEndpoint {
        SipEndpoint {
            options: options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..SipEndpoint::default()
        }
    }

    #[test]
    fn options_are_read_as_xivo_writes_them() {
        let options = TrunkOptions::of(&endpoint(&[
            ("fromuser", "0390000000"),
            ("fromdomain", "carrier.example"),
            ("sendrpid", "pai"),
            ("call-limit", "2"),
            ("qualify", "yes"),
            ("transport", "tcp,udp"),
            ("port", "5070"),
        ]));
        assert_eq!(options.from_user.as_deref(), Some("0390000000"));
        assert_eq!(options.from_domain.as_deref(), Some("carrier.example"));
        assert_eq!(options.identity, IdentityHeader::Asserted);
        assert_eq!(options.call_limit, Some(2));
        assert_eq!(options.qualify_ms, Some(QUALIFY_MS));
        assert_eq!(options.transport, Some(Transport::Tcp));
        assert_eq!(options.transports, [Transport::Tcp, Transport::Udp]);
        assert_eq!(options.port, Some(5070));
    }

    #[test]
    fn no_and_nothing_are_the_same() {
        let said = endpoint(&[
            ("qualify", "no"),
            ("call-limit", "0"),
            ("busylevel", "0"),
            ("sendrpid", "no"),
            ("progressinband", "no"),
            ("session-timers", "originate"),
            ("dtmfmode", "rfc2833"),
        ]);
        assert_eq!(TrunkOptions::of(&said), TrunkOptions::of(&endpoint(&[])));
    }
}
