//! The state itself, and what can be asked of it.

mod addresses;
mod image;
mod indices;
mod store;
mod trunks;

use std::{fmt, net::IpAddr, sync::Arc};

use bytes::Bytes;
use imbl::OrdMap;

pub(crate) use self::image::Counters;
use self::{image::Image, indices::Indices};
use crate::{
    Administrator, AdministratorId, ApiToken, Binding, CallEntry, CallId, CallRecord, Context,
    ContextId, ControlNode, DEFAULT_REALM, DialogKey, EndpointId, Extension, ExtensionId, Incall,
    IncallId, Lease, Line, LineId, MediaServer, MediaServerId, NodeId, Outcall, OutcallId,
    Register, RegisterId, SipEndpoint, Site, SiteId, Table, TokenHash, Trunk, TrunkId, TrunkReport,
    User, UserId, hash::hash_of, lease::node_resource,
};

/// Name of the secret that signs SIP nonces.
pub(crate) const NONCE_KEY: &str = "nonce";

/// Everything that every control node knows. A clone is a snapshot and costs nothing.
#[derive(Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(from = "Image", into = "Image")]
pub struct State {
    pub(crate) applied: u64,
    pub(crate) now_ms: u64,
    pub(crate) counters: Counters,
    pub(crate) realm: String,
    pub(crate) secrets: OrdMap<String, Bytes>,
    pub(crate) users: Table<UserId, User>,
    pub(crate) lines: Table<LineId, Line>,
    pub(crate) endpoints: Table<EndpointId, SipEndpoint>,
    pub(crate) extensions: Table<ExtensionId, Extension>,
    pub(crate) contexts: Table<ContextId, Context>,
    pub(crate) sites: Table<SiteId, Site>,
    pub(crate) media_servers: Table<MediaServerId, MediaServer>,
    pub(crate) nodes: Table<NodeId, ControlNode>,
    pub(crate) administrators: Table<AdministratorId, Administrator>,
    pub(crate) tokens: Table<TokenHash, ApiToken>,
    pub(crate) bindings: Table<EndpointId, Vec<Binding>>,
    pub(crate) calls: Table<CallId, CallEntry>,
    pub(crate) ended: Table<u64, CallId>,
    pub(crate) records: Table<u64, CallRecord>,
    pub(crate) leases: Table<String, Lease>,
    pub(crate) trunks: Table<TrunkId, Trunk>,
    pub(crate) registers: Table<RegisterId, Register>,
    pub(crate) outcalls: Table<OutcallId, Outcall>,
    pub(crate) incalls: Table<IncallId, Incall>,
    pub(crate) trunk_reports: Table<TrunkId, TrunkReport>,
    indices: Indices,
}

impl fmt::Debug for State {
    /// Counts only: the rest has secrets and people's numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("applied", &self.applied)
            .field("users", &self.users.len())
            .field("lines", &self.lines.len())
            .field("endpoints", &self.endpoints.len())
            .field("registrations", &self.bindings.len())
            .field("calls", &self.calls.len())
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

impl State {
    /// Log index of the last applied command.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The cluster's time: the latest time that any command carried.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// A hash of everything, equal on equal states. Nodes compare it at the same [`Self::applied`] and version.
    pub fn digest(&self) -> u64 {
        hash_of(&(
            (self.applied, self.now_ms, &self.counters, &self.realm),
            hash_of(&self.secrets.iter().collect::<Vec<_>>()),
            (
                self.users.digest(),
                self.lines.digest(),
                self.endpoints.digest(),
                self.extensions.digest(),
            ),
            (
                self.contexts.digest(),
                self.sites.digest(),
                self.media_servers.digest(),
                self.nodes.digest(),
            ),
            (
                self.administrators.digest(),
                self.tokens.digest(),
                self.bindings.digest(),
                self.calls.digest(),
            ),
            (
                self.ended.digest(),
                self.records.digest(),
                self.leases.digest(),
            ),
            (
                self.trunks.digest(),
                self.registers.digest(),
                self.outcalls.digest(),
                self.incalls.digest(),
                self.trunk_reports.digest(),
            ),
        ))
    }

    /// The digest realm.
    pub fn realm(&self) -> &str {
        if self.realm.is_empty() {
            DEFAULT_REALM
        } else {
            &self.realm
        }
    }

    /// The key of SIP nonces, once the cluster has one.
    pub fn nonce_key(&self) -> Option<&[u8; 32]> {
        self.secrets.get(NONCE_KEY)?.as_ref().try_into().ok()
    }

    /// A key of the cluster by its name.
    pub fn secret(&self, name: &str) -> Option<&Bytes> {
        self.secrets.get(name)
    }

    /// All users.
    pub fn users(&self) -> &Table<UserId, User> {
        &self.users
    }

    /// All lines.
    pub fn lines(&self) -> &Table<LineId, Line> {
        &self.lines
    }

    /// All SIP endpoints.
    pub fn endpoints(&self) -> &Table<EndpointId, SipEndpoint> {
        &self.endpoints
    }

    /// All numbers.
    pub fn extensions(&self) -> &Table<ExtensionId, Extension> {
        &self.extensions
    }

    /// All contexts.
    pub fn contexts(&self) -> &Table<ContextId, Context> {
        &self.contexts
    }

    /// All sites.
    pub fn sites(&self) -> &Table<SiteId, Site> {
        &self.sites
    }

    /// All media servers.
    pub fn media_servers(&self) -> &Table<MediaServerId, MediaServer> {
        &self.media_servers
    }

    /// All control nodes.
    pub fn nodes(&self) -> &Table<NodeId, ControlNode> {
        &self.nodes
    }

    /// All administrators.
    pub fn administrators(&self) -> &Table<AdministratorId, Administrator> {
        &self.administrators
    }

    /// All tokens of the programming interface.
    pub fn tokens(&self) -> &Table<TokenHash, ApiToken> {
        &self.tokens
    }

    /// Contacts of every endpoint that has some. Some may have expired: see [`Self::live_bindings`].
    pub fn registrations(&self) -> &Table<EndpointId, Vec<Binding>> {
        &self.bindings
    }

    /// All calls.
    pub fn calls(&self) -> &Table<CallId, CallEntry> {
        &self.calls
    }

    /// The newest call records, by the order in which the calls ended.
    pub fn records(&self) -> &Table<u64, CallRecord> {
        &self.records
    }

    /// All leases, lapsed ones too.
    pub fn leases(&self) -> &Table<String, Lease> {
        &self.leases
    }

    /// The user of a uuid.
    pub fn user_by_uuid(&self, uuid: &str) -> Option<&Arc<User>> {
        self.users.get(self.indices.users_by_uuid.get(uuid)?)
    }

    /// The user of a login.
    pub fn user_by_username(&self, username: &str) -> Option<&Arc<User>> {
        self.users
            .get(self.indices.users_by_username.get(username)?)
    }

    /// The endpoint that registers with this name.
    pub fn endpoint_by_username(&self, username: &str) -> Option<&Arc<SipEndpoint>> {
        self.endpoints
            .get(self.indices.endpoints_by_username.get(username)?)
    }

    /// The line that a provisioning code takes over.
    pub fn line_by_provisioning_code(&self, code: &str) -> Option<&Arc<Line>> {
        self.lines.get(self.indices.lines_by_code.get(code)?)
    }

    /// The line that has these credentials.
    pub fn line_of_endpoint(&self, endpoint: EndpointId) -> Option<&Arc<Line>> {
        self.lines
            .get(self.indices.lines_by_endpoint.get(&endpoint)?)
    }

    /// The main user of a line.
    pub fn user_of_line(&self, line: LineId) -> Option<&Arc<User>> {
        self.users.get(self.lines.get(&line)?.users.first()?)
    }

    /// The number by which others know a line: its caller id, else its first extension.
    pub fn number_of_line(&self, line: LineId) -> Option<&str> {
        let line = self.lines.get(&line)?;
        let first = || {
            Some(
                self.extensions
                    .get(line.extensions.first()?)?
                    .exten
                    .as_str(),
            )
        };
        line.caller_id_num.as_deref().or_else(first)
    }

    /// The context of a name.
    pub fn context_by_name(&self, name: &str) -> Option<&Arc<Context>> {
        self.contexts.get(self.indices.contexts_by_name.get(name)?)
    }

    /// The number in exactly this context.
    pub fn extension_in(&self, context: &str, exten: &str) -> Option<&Arc<Extension>> {
        self.extensions
            .get(self.indices.extensions.get(context)?.get(exten)?)
    }

    /// The numbers of exactly this context.
    pub fn extensions_in(&self, context: &str) -> impl Iterator<Item = &Arc<Extension>> {
        let ids = self
            .indices
            .extensions
            .get(context)
            .into_iter()
            .flat_map(|numbers| numbers.values());
        ids.filter_map(|id| self.extensions.get(id))
    }

    /// What a number leads to for somebody in a context: the context itself, then what it includes, in order and in depth.
    /// Disabled contexts and numbers are passed over.
    pub fn extension(&self, context: &str, exten: &str) -> Option<&Arc<Extension>> {
        let mut visited = Vec::new();
        self.search(
            *self.indices.contexts_by_name.get(context)?,
            exten,
            &mut visited,
        )
    }

    fn search(
        &self,
        id: ContextId,
        exten: &str,
        visited: &mut Vec<ContextId>,
    ) -> Option<&Arc<Extension>> {
        if visited.contains(&id) {
            return None;
        }
        visited.push(id);
        let context = self.contexts.get(&id).filter(|context| context.enabled)?;
        let own = self
            .extension_in(&context.name, exten)
            .filter(|extension| extension.enabled);
        own.or_else(|| {
            context
                .includes
                .iter()
                .find_map(|included| self.search(*included, exten, visited))
        })
    }

    /// Contacts of an endpoint, expired ones too until they are swept.
    pub fn bindings(&self, endpoint: EndpointId) -> &[Binding] {
        self.bindings
            .get(&endpoint)
            .map_or(&[], |bindings| bindings.as_slice())
    }

    /// Contacts of an endpoint that have not expired.
    pub fn live_bindings(
        &self,
        endpoint: EndpointId,
        now_ms: u64,
    ) -> impl Iterator<Item = &Binding> {
        self.bindings(endpoint)
            .iter()
            .filter(move |binding| binding.expires_at_ms > now_ms)
    }

    /// The call that has this dialog.
    pub fn call_of_dialog(&self, dialog: &DialogKey) -> Option<CallId> {
        self.indices.dialogs.get(dialog).copied()
    }

    /// Calls in which a line takes part.
    pub fn calls_of_line(&self, line: LineId) -> impl Iterator<Item = &Arc<CallEntry>> {
        let ids = self
            .indices
            .calls_by_line
            .range((line, CallId(0))..=(line, CallId(u128::MAX)));
        ids.filter_map(|(_, call)| self.calls.get(call))
    }

    /// Calls that a node owns.
    pub fn calls_of_node(&self, node: NodeId) -> impl Iterator<Item = &Arc<CallEntry>> {
        self.calls.values().filter(move |call| call.owner == node)
    }

    /// Whether heirs may take the calls of a node: its lease has lapsed, it never had one, or it has claimed one and not
    /// shown yet that it heard the answer.
    pub fn has_gone(&self, node: NodeId, now_ms: u64) -> bool {
        self.leases
            .get(&node_resource(node))
            .is_none_or(|lease| !lease.heard || lease.has_lapsed(now_ms))
    }

    /// Whether a node had no lease that protects it when the cluster took its latest command, after it had one.
    pub fn has_let_lapse(&self, node: NodeId) -> bool {
        self.leases.contains(&node_resource(node)) && self.has_gone(node, self.now_ms)
    }

    /// A call that has a dialog of this Call-ID: by it a CANCEL finds its call, which has no tag of ours.
    pub fn call_of_call_id(&self, call_id: &str) -> Option<CallId> {
        let from = DialogKey {
            call_id: call_id.to_owned(),
            local_tag: String::new(),
        };
        let (dialog, call) = self.indices.dialogs.range(from..).next()?;
        (dialog.call_id == call_id).then_some(*call)
    }

    /// Whether a call has its record already.
    pub fn has_ended(&self, call: CallId) -> bool {
        self.ended_as(call).is_some()
    }

    /// Where among the records a call's is.
    pub(crate) fn ended_as(&self, call: CallId) -> Option<u64> {
        self.indices.ended.get(&call).copied()
    }

    /// Whether a [`crate::Command::Sweep`] would find something. The leader asks every few seconds: an index by expiry
    /// would cost more with every refresh than this look at all rows.
    pub fn has_expired(&self, now_ms: u64) -> bool {
        let mut bindings = self.bindings.values().flat_map(|bindings| bindings.iter());
        bindings.any(|binding| binding.expires_at_ms <= now_ms)
            || self
                .tokens
                .values()
                .any(|token| token.expires_at_ms <= now_ms)
    }

    /// The site of an address: that of the longest subnet which holds it.
    pub fn site_of(&self, address: IpAddr) -> Option<SiteId> {
        let subnets = self
            .sites
            .iter()
            .flat_map(|(id, site)| site.subnets.iter().map(move |subnet| (*id, subnet)));
        subnets
            .filter(|(_, subnet)| subnet.contains(address))
            .max_by_key(|(_, subnet)| subnet.prefix)
            .map(|(id, _)| id)
    }

    /// The media server of a name.
    pub fn media_server_by_name(&self, name: &str) -> Option<&Arc<MediaServer>> {
        self.media_servers
            .values()
            .find(|server| server.name == name)
    }

    /// The administrator of a login.
    pub fn administrator_by_username(&self, username: &str) -> Option<&Arc<Administrator>> {
        self.administrators
            .values()
            .find(|administrator| administrator.username == username)
    }
}
