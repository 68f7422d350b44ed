//! The replicated state of a cluster: who may register, who is registered, which calls are up, who owns what.
//!
//! Everything here is a value. [`State::apply`] takes a [`Command`] and a [`Stamp`] and always succeeds:
//! what may not be done is an [`Outcome`] that says why. It reads no clock, draws no randomness and
//! iterates nothing whose order can differ, so equal commands give equal states on every node.
//!
//! It does not know consensus, disks, sockets, SIP syntax (a contact or a call body is text or octets here)
//! or HTTP.

#![forbid(unsafe_code)]

mod account;
mod apply;
mod binding;
mod call;
mod caller_format;
mod command;
mod context;
mod endpoint;
mod event;
mod extension;
mod floating;
mod flow;
mod hash;
mod id;
mod import;
mod lease;
mod line;
mod media;
mod node;
mod outcall;
mod outcome;
mod pattern;
mod random;
mod record;
mod secret;
mod state;
mod table;
mod trunk;
mod trunk_rules;
mod user;

pub use account::{Account, Administrator, ApiToken, TokenHash};
pub use binding::{Binding, BindingChange, BindingOutcome, MAX_BINDINGS};
pub use call::{
    CallCommand, CallEntry, CallOutcome, CallState, CallSummary, DialogKey, MAX_CALL_BODY,
    MAX_CALL_DIALOGS, MAX_CALLS, Party, rendezvous,
};
pub use caller_format::{CallerFormat, Numbering};
pub use command::{
    AccountCommand, Command, ConfigCommand, Initialise, Link, MediaCommand, NodeCommand, Resource,
    ResourceKey, SecretCommand, Stamp,
};
pub use context::{Context, ContextKind, NumberRange};
pub use endpoint::{DEFAULT_REALM, Ha1, SipEndpoint};
pub use event::{ConfigKind, Event};
pub use extension::Extension;
pub use floating::{FloatingAddress, ParseFloatingAddressError};
pub use flow::{Flow, Transport};
pub use id::{
    AdministratorId, CallId, ContextId, EndpointId, Epoch, ExtensionId, IncallId, LineId,
    MediaServerId, NodeId, OutcallId, ParseIdError, RegisterId, SiteId, TrunkId, UserId,
};
pub use import::{ImportMode, ImportRow, Imported, MAX_IMPORT_ROWS, RowError};
pub use lease::{
    Lease, LeaseCommand, LeaseOutcome, WHILE_NODE_LIVES, address_resource, node_resource,
};
pub use line::Line;
pub use media::{MediaServer, MediaState, Site, Subnet};
pub use node::{ControlNode, NodeState, SipListener};
pub use outcall::{Destination, HangupCause, Incall, Outcall, OutcallNumber};
pub use outcome::{Applied, Outcome, Rejection, RejectionKind};
pub use random::{Random, Seeded};
pub use record::{
    CallCause, CallDirection, CallRecord, CallStatus, DirectionQuality, HistoryRow, HistoryTable,
    RECORDS_IN_MEMORY,
};
pub use secret::Secret;
pub use state::State;
pub use table::Table;
pub use trunk::{
    IdentityHeader, MAX_TRUNK_CONTACTS, Register, Trunk, TrunkOptions, TrunkReport, TrunkState,
    trunk_resource,
};
pub use trunk_rules::{
    AddressRules, Billing, CodecRules, DtmfMode, TimerMode, TimerRules, TimerSide,
};
pub use user::User;
