//! What changed.

use serde::{Deserialize, Serialize};

use crate::{CallId, EndpointId, MediaServerId, NodeId, ResourceKey, TrunkId};

/// Which sort of configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigKind {
    /// A user.
    User,
    /// A line.
    Line,
    /// A SIP endpoint.
    Endpoint,
    /// A number.
    Extension,
    /// A context.
    Context,
    /// A site.
    Site,
    /// A media server.
    MediaServer,
    /// An administrator.
    Administrator,
    /// A trunk.
    Trunk,
    /// A registration at a carrier.
    Register,
    /// A way out.
    Outcall,
    /// A way in.
    Incall,
}

/// A change of the state that somebody may act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A piece of configuration was made, changed or taken away.
    ConfigChanged {
        /// Which.
        key: ResourceKey,
    },
    /// The cluster has its keys and its first administrator.
    Initialised,
    /// An endpoint's contacts changed.
    BindingsChanged(EndpointId),
    /// A call has a new value or owner.
    CallPut(CallId),
    /// A call is over.
    CallEnded(CallId),
    /// Somebody asks the owner to end it.
    HangupRequested(CallId),
    /// A lease has a new holder or none.
    LeaseChanged {
        /// Of what.
        resource: String,
    },
    /// The registration of a trunk is another.
    TrunkReported(TrunkId),
    /// A control node came, changed or went.
    NodeChanged(NodeId),
    /// A media server came, changed or went.
    MediaServerChanged(MediaServerId),
    /// A cluster secret was set.
    SecretChanged {
        /// Its name.
        name: String,
    },
}
