use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::machines::{MediaServerView, NodeView};
use crate::router::{Api, Routes};
use crate::time;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(status))
}

/// How the cluster is, as the asked node sees it.
#[derive(Debug, Serialize, ToSchema)]
struct Status {
    cluster: String,
    /// The asked node.
    node: u64,
    version: &'static str,
    /// What the asked node is in Raft.
    role: String,
    leader: Option<u64>,
    term: u64,
    /// Whether writes can be committed.
    quorum: bool,
    out_of_duty: Option<String>,
    committed_index: u64,
    applied_index: u64,
    /// Equal on nodes that have applied the same entries.
    state_digest: String,
    digests_compared: u64,
    /// Anything but 0 is an error.
    digests_differing: u64,
    /// The cluster's time.
    time: String,
    counts: Counts,
    nodes: Vec<NodeView>,
    media_servers: Vec<MediaServerView>,
}

/// How much there is.
#[derive(Debug, Serialize, ToSchema)]
struct Counts {
    users: usize,
    lines: usize,
    extensions: usize,
    contexts: usize,
    /// SIP endpoints with a contact that has not expired.
    registrations: usize,
    calls: usize,
}

/// How the cluster is
#[utoipa::path(get, path = "/status", tag = "cluster", security(("token" = [])), responses((status = 200, body = Status)))]
async fn status(State(api): State<Arc<Api>>) -> Response {
    let state = api.plane.state();
    let status = api.plane.status();
    let now_ms = api.now_ms();
    let is_live = |bindings: &&Arc<Vec<carillon_model::Binding>>| {
        bindings
            .iter()
            .any(|binding| binding.expires_at_ms > now_ms)
    };
    let view = Status {
        nodes: NodeView::all(&state, &status),
        media_servers: MediaServerView::all(&state),
        cluster: status.cluster,
        node: status.node.0,
        version: env!("CARGO_PKG_VERSION"),
        role: status.role,
        leader: status.leader.map(|leader| leader.0),
        term: status.term,
        quorum: status.quorum,
        out_of_duty: status.out_of_duty,
        committed_index: status.committed_index,
        applied_index: status.applied_index,
        state_digest: format!("{:016x}", state.digest()),
        digests_compared: status.digests_compared,
        digests_differing: status.digests_differing,
        time: time::rfc3339(state.now_ms()),
        counts: Counts {
            users: state.users().len(),
            lines: state.lines().len(),
            extensions: state.extensions().len(),
            contexts: state.contexts().len(),
            registrations: state.registrations().values().filter(is_live).count(),
            calls: state.calls().len(),
        },
    };
    axum::Json(view).into_response()
}
