//! What of a state is written to a snapshot: everything but the indices, which follow from it.

use bytes::Bytes;
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{State, indices::Indices};
use crate::{
    Administrator, AdministratorId, ApiToken, Binding, CallEntry, CallId, CallRecord, Context,
    ContextId, ControlNode, EndpointId, Extension, ExtensionId, Incall, IncallId, Lease, Line,
    LineId, MediaServer, MediaServerId, NodeId, Outcall, OutcallId, Register, RegisterId,
    SipEndpoint, Site, SiteId, Table, TokenHash, Trunk, TrunkId, TrunkReport, User, UserId,
};

/// The last number given to each kind of resource. Numbers are never given twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counters {
    pub(crate) user: u32,
    pub(crate) line: u32,
    pub(crate) endpoint: u32,
    pub(crate) extension: u32,
    pub(crate) context: u32,
    pub(crate) site: u32,
    pub(crate) media_server: u32,
    pub(crate) administrator: u32,
    pub(crate) trunk: u32,
    pub(crate) register: u32,
    pub(crate) outcall: u32,
    pub(crate) incall: u32,
    pub(crate) record: u64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Image {
    applied: u64,
    now_ms: u64,
    counters: Counters,
    realm: String,
    secrets: OrdMap<String, Bytes>,
    users: Table<UserId, User>,
    lines: Table<LineId, Line>,
    endpoints: Table<EndpointId, SipEndpoint>,
    extensions: Table<ExtensionId, Extension>,
    contexts: Table<ContextId, Context>,
    sites: Table<SiteId, Site>,
    media_servers: Table<MediaServerId, MediaServer>,
    nodes: Table<NodeId, ControlNode>,
    administrators: Table<AdministratorId, Administrator>,
    tokens: Table<TokenHash, ApiToken>,
    bindings: Table<EndpointId, Vec<Binding>>,
    calls: Table<CallId, CallEntry>,
    ended: Table<u64, CallId>,
    records: Table<u64, CallRecord>,
    leases: Table<String, Lease>,
    trunks: Table<TrunkId, Trunk>,
    registers: Table<RegisterId, Register>,
    outcalls: Table<OutcallId, Outcall>,
    incalls: Table<IncallId, Incall>,
    trunk_reports: Table<TrunkId, TrunkReport>,
}

impl From<State> for Image {
    fn from(state: State) -> Self {
        Self {
            applied: state.applied,
            now_ms: state.now_ms,
            counters: state.counters,
            realm: state.realm,
            secrets: state.secrets,
            users: state.users,
            lines: state.lines,
            endpoints: state.endpoints,
            extensions: state.extensions,
            contexts: state.contexts,
            sites: state.sites,
            media_servers: state.media_servers,
            nodes: state.nodes,
            administrators: state.administrators,
            tokens: state.tokens,
            bindings: state.bindings,
            calls: state.calls,
            ended: state.ended,
            records: state.records,
            leases: state.leases,
            trunks: state.trunks,
            registers: state.registers,
            outcalls: state.outcalls,
            incalls: state.incalls,
            trunk_reports: state.trunk_reports,
        }
    }
}

impl From<Image> for State {
    fn from(image: Image) -> Self {
        let mut state = Self {
            applied: image.applied,
            now_ms: image.now_ms,
            counters: image.counters,
            realm: image.realm,
            secrets: image.secrets,
            users: image.users,
            lines: image.lines,
            endpoints: image.endpoints,
            extensions: image.extensions,
            contexts: image.contexts,
            sites: image.sites,
            media_servers: image.media_servers,
            nodes: image.nodes,
            administrators: image.administrators,
            tokens: image.tokens,
            bindings: image.bindings,
            calls: image.calls,
            ended: image.ended,
            records: image.records,
            leases: image.leases,
            trunks: image.trunks,
            registers: image.registers,
            outcalls: image.outcalls,
            incalls: image.incalls,
            trunk_reports: image.trunk_reports,
            indices: Indices::default(),
        };
        state.indices = Indices::of(&state);
        state
    }
}
