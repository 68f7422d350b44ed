//! What can be asked of the state.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Administrator, AdministratorId, ApiToken, BindingChange, CallCommand, ConfigKind, Context,
    ContextId, ControlNode, EndpointId, Extension, ExtensionId, ImportMode, ImportRow, Incall,
    IncallId, LeaseCommand, Line, LineId, MediaServer, MediaServerId, MediaState, NodeId,
    NodeState, Outcall, OutcallId, OutcallNumber, Register, RegisterId, SipEndpoint, Site, SiteId,
    TokenHash, Trunk, TrunkId, TrunkReport, User, UserId,
};

/// Place of a command in the log, and the leader's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Log index.
    pub index: u64,
    /// Unix time in milliseconds.
    pub now_ms: u64,
}

/// A change of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// First start of a cluster.
    Initialise(Box<Initialise>),
    /// Configuration.
    Configure(Box<ConfigCommand>),
    /// Registrations, as many as came together.
    Bindings(Vec<BindingChange>),
    /// A call.
    Call(CallCommand),
    /// A lease.
    Lease(LeaseCommand),
    /// A control node.
    Node(NodeCommand),
    /// A media server.
    Media(MediaCommand),
    /// Tokens of the programming interface.
    Account(AccountCommand),
    /// Keys of the cluster.
    Secret(SecretCommand),
    /// Take away what has expired by the leader's time.
    Sweep,
    /// Several in this order, each with an outcome of its own. There are no batches in batches, and no settings.
    Batch(Vec<Self>),
    /// What the owner of a trunk says of its registration.
    Trunk(TrunkReport),
}

/// What a cluster has from its first moment on. Refused once there is an administrator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initialise {
    /// The first administrator.
    pub administrator: Administrator,
    /// Key of the SIP nonces.
    pub nonce_key: [u8; 32],
    /// Digest realm.
    pub realm: String,
}

impl std::fmt::Debug for Initialise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Initialise({}, realm {})",
            self.administrator.username, self.realm
        )
    }
}

/// A change of configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigCommand {
    /// Make a resource; its id is chosen here, links in it are made.
    Create(Resource),
    /// Replace a resource whose `revision` is still the quoted one; its links stay.
    Update(Resource),
    /// Take a resource away.
    Delete(ResourceKey),
    /// Link two resources; again is no error.
    Associate(Link),
    /// Unlink them.
    Dissociate(Link),
    /// Give a user exactly these lines in this order.
    SetUserLines {
        /// The user.
        user: UserId,
        /// The lines, the main one first.
        lines: Vec<LineId>,
    },
    /// Give a way out exactly these trunks, to be tried in this order.
    SetOutcallTrunks {
        /// The way out.
        outcall: OutcallId,
        /// The trunks.
        trunks: Vec<TrunkId>,
    },
    /// Let a number leave by a way out, rewritten like this; again is no error.
    SetOutcallNumber {
        /// The way out.
        outcall: OutcallId,
        /// The number and how it is rewritten.
        number: OutcallNumber,
    },
    /// All rows or none.
    Import {
        /// Make or change.
        mode: ImportMode,
        /// The rows.
        rows: Vec<ImportRow>,
    },
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one command, in a box already"
)]
pub enum Resource {
    /// A user.
    User(User),
    /// A line.
    Line(Line),
    /// A SIP endpoint.
    Endpoint(SipEndpoint),
    /// A number.
    Extension(Extension),
    /// A context.
    Context(Context),
    /// A site.
    Site(Site),
    /// An administrator.
    Administrator(Administrator),
    /// A trunk.
    Trunk(Trunk),
    /// A registration at a carrier.
    Register(Register),
    /// A way out.
    Outcall(Outcall),
    /// A way in.
    Incall(Incall),
}

/// Which resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResourceKey {
    /// A user.
    User(UserId),
    /// A line.
    Line(LineId),
    /// A SIP endpoint.
    Endpoint(EndpointId),
    /// A number.
    Extension(ExtensionId),
    /// A context.
    Context(ContextId),
    /// A site.
    Site(SiteId),
    /// A media server.
    MediaServer(MediaServerId),
    /// An administrator.
    Administrator(AdministratorId),
    /// A trunk.
    Trunk(TrunkId),
    /// A registration at a carrier.
    Register(RegisterId),
    /// A way out.
    Outcall(OutcallId),
    /// A way in.
    Incall(IncallId),
}

impl ResourceKey {
    /// Which sort it is.
    pub fn kind(self) -> ConfigKind {
        match self {
            Self::User(_) => ConfigKind::User,
            Self::Line(_) => ConfigKind::Line,
            Self::Endpoint(_) => ConfigKind::Endpoint,
            Self::Extension(_) => ConfigKind::Extension,
            Self::Context(_) => ConfigKind::Context,
            Self::Site(_) => ConfigKind::Site,
            Self::MediaServer(_) => ConfigKind::MediaServer,
            Self::Administrator(_) => ConfigKind::Administrator,
            Self::Trunk(_) => ConfigKind::Trunk,
            Self::Register(_) => ConfigKind::Register,
            Self::Outcall(_) => ConfigKind::Outcall,
            Self::Incall(_) => ConfigKind::Incall,
        }
    }

    /// Its number.
    pub fn number(self) -> u32 {
        match self {
            Self::User(id) => id.0,
            Self::Line(id) => id.0,
            Self::Endpoint(id) => id.0,
            Self::Extension(id) => id.0,
            Self::Context(id) => id.0,
            Self::Site(id) => id.0,
            Self::MediaServer(id) => id.0,
            Self::Administrator(id) => id.0,
            Self::Trunk(id) => id.0,
            Self::Register(id) => id.0,
            Self::Outcall(id) => id.0,
            Self::Incall(id) => id.0,
        }
    }
}

/// Two resources that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    /// A user calls with a line.
    UserLine {
        /// The user.
        user: UserId,
        /// The line.
        line: LineId,
    },
    /// A number rings a line.
    LineExtension {
        /// The line.
        line: LineId,
        /// The number.
        extension: ExtensionId,
    },
    /// A line has credentials.
    LineEndpoint {
        /// The line.
        line: LineId,
        /// The endpoint.
        endpoint: EndpointId,
    },
    /// A trunk has an address, credentials and options.
    TrunkEndpoint {
        /// The trunk.
        trunk: TrunkId,
        /// The endpoint.
        endpoint: EndpointId,
    },
    /// A trunk registers at its carrier.
    TrunkRegister {
        /// The trunk.
        trunk: TrunkId,
        /// The registration.
        register: RegisterId,
    },
    /// A number called from outside leads somewhere.
    IncallExtension {
        /// The way in.
        incall: IncallId,
        /// The number.
        extension: ExtensionId,
    },
    /// A number leaves by a way out. Made by [`ConfigCommand::SetOutcallNumber`] where it is rewritten.
    OutcallExtension {
        /// The way out.
        outcall: OutcallId,
        /// The number.
        extension: ExtensionId,
    },
}

/// A change of the control nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeCommand {
    /// A process has started and describes itself. The outcome is its epoch.
    Start(ControlNode),
    /// It stands elsewhere.
    SetState {
        /// Which.
        id: NodeId,
        /// Where.
        state: NodeState,
    },
    /// It is no member any more.
    Remove {
        /// Which.
        id: NodeId,
    },
}

/// A change of the media servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaCommand {
    /// Announce one: with an id it is that one; without (0), a new name gets an id and a known name keeps its own.
    Put(MediaServer),
    /// It stands elsewhere.
    SetState {
        /// Which.
        id: MediaServerId,
        /// Where.
        state: MediaState,
    },
    /// Take it away.
    Remove {
        /// Which.
        id: MediaServerId,
    },
}

/// A change of the tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountCommand {
    /// A new token.
    PutToken(ApiToken),
    /// It is not valid any more.
    RevokeToken {
        /// Which.
        hash: TokenHash,
    },
}

/// A change of the cluster's keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretCommand {
    /// Set it if it is not set: the first one wins.
    PutIfAbsent {
        /// Its name, as `ca`.
        name: String,
        /// Its octets.
        value: Bytes,
    },
    /// Set it.
    Put {
        /// Its name.
        name: String,
        /// Its octets.
        value: Bytes,
    },
}

impl std::fmt::Debug for SecretCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PutIfAbsent { name, .. } => write!(f, "PutIfAbsent({name})"),
            Self::Put { name, .. } => write!(f, "Put({name})"),
        }
    }
}
