//! The REST interface of a cluster: XiVO's configuration interface 1.1, its tokens, and `/api/v1` for what it has not.
//!
//! Any node answers anything. Reads come from the node's own replica, writes go through the cluster and are answered
//! once a quorum has them. It knows the state and its commands, and the cluster only as a [`Plane`]: not Raft, not SIP,
//! and not where its certificate comes from.

mod answer;
mod auth;
mod body;
mod confd;
mod config;
mod extract;
mod fields;
mod generate;
mod link;
mod list;
mod observe;
mod passwords;
mod plane;
mod refusal;
mod render;
mod router;
mod serve;
mod throttle;
mod time;
mod v1;
mod write;

pub use config::Config;
pub use passwords::hash_password;
pub use plane::{ClusterStatus, JoinRole, JoinToken, PeerStatus, Plane, PlaneError};
pub use router::{openapi, openapi_json, router};
pub use serve::{Identity, Server};
