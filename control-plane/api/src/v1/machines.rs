//! Control nodes, media servers, and how more of them come in.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{
    Command, MediaCommand, MediaServerId, MediaState, NodeId, NodeState, State as Replica,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Created, Done};
use crate::body::{Body, Shape};
use crate::extract::Id;
use crate::fields::body;
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};
use crate::{ClusterStatus, JoinRole, time, write};

const DEFAULT_LIFETIME_S: u32 = 3_600;
const MAX_LIFETIME_S: u32 = 7 * 24 * 3_600;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list_nodes))
        .routes(routes!(remove_node))
        .routes(routes!(list_media_servers))
        .routes(routes!(set_media_server))
        .routes(routes!(join_token))
}

/// A control node.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Node)]
pub(super) struct NodeView {
    id: u64,
    name: String,
    /// `leader`, `follower`, or `learner` for one that does not vote.
    role: &'static str,
    /// `joining`, `active`, `draining` or `left`, as the node said last.
    state: &'static str,
    /// Towards phones.
    address: Option<String>,
    /// The address that others take over when it goes, where it has one.
    floating: Option<String>,
    /// The node that holds that address now.
    floating_holder: Option<u64>,
    /// Where it takes SIP, as `udp 192.0.2.1:5060`.
    sip: Vec<String>,
    api: Option<String>,
    cluster: Option<String>,
    version: Option<String>,
    /// Grows with every start of its process.
    epoch: u64,
    /// How much of the log it has; only the leader tells.
    matched_index: Option<u64>,
    /// How long ago it answered the leader; only the leader tells.
    answered_ms_ago: Option<u64>,
    /// Calls that it owns.
    calls: usize,
}

const NODE_FIELDS: [&str; 5] = ["id", "name", "role", "state", "address"];

impl NodeView {
    /// Those that Raft knows and those that described themselves.
    pub(super) fn all(state: &Replica, status: &ClusterStatus) -> Vec<Self> {
        let mut nodes: BTreeMap<NodeId, Self> = BTreeMap::new();
        for (id, node) in state.nodes().iter() {
            let view = nodes.entry(*id).or_default();
            view.name = node.name.clone();
            view.role = "none";
            view.state = match node.state {
                NodeState::Joining => "joining",
                NodeState::Active => "active",
                NodeState::Draining => "draining",
                NodeState::Left => "left",
            };
            view.address = Some(node.address.to_string());
            view.floating = node.floating.map(|floating| floating.address.to_string());
            let holder = state.address_holder(*id, state.now_ms());
            view.floating_holder = holder.map(|holder| holder.0);
            let listeners = node.sip.iter();
            view.sip = listeners
                .map(|listener| format!("{} {}", listener.transport, listener.address))
                .collect();
            view.api = node.api.map(|address| address.to_string());
            view.cluster = Some(node.cluster.to_string());
            view.version = Some(node.version.clone());
            view.epoch = node.epoch.0;
        }
        for peer in &status.peers {
            let view = nodes.entry(peer.node).or_default();
            if view.state.is_empty() {
                view.name = peer.name.clone();
                view.state = "joining";
            }
            view.cluster = Some(peer.address.to_string());
            view.role = match peer.voter {
                _ if status.leader == Some(peer.node) => "leader",
                true => "follower",
                false => "learner",
            };
            view.matched_index = peer.matched_index;
            view.answered_ms_ago = peer.answered_ms_ago;
        }
        for call in state.calls().values() {
            if let Some(view) = nodes.get_mut(&call.owner) {
                view.calls += 1;
            }
        }
        let numbered = nodes
            .into_iter()
            .map(|(id, view)| Self { id: id.0, ..view });
        numbered.collect()
    }
}

/// A media server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MediaServer)]
pub(super) struct MediaServerView {
    id: u32,
    name: String,
    site: String,
    control: String,
    address: String,
    weight: u32,
    first_port: u16,
    last_port: u16,
    /// `active` or `draining`.
    state: &'static str,
    /// Calls whose media it relays.
    calls: usize,
}

const MEDIA_FIELDS: [&str; 6] = ["id", "name", "site", "address", "weight", "state"];

impl MediaServerView {
    pub(super) fn all(state: &Replica) -> Vec<Self> {
        let views = state.media_servers().values().map(|server| Self {
            id: server.id.0,
            name: server.name.clone(),
            site: state
                .sites()
                .get(&server.site)
                .map(|site| site.name.clone())
                .unwrap_or_default(),
            control: server.control.to_string(),
            address: server.address.to_string(),
            weight: server.weight,
            first_port: server.ports.0,
            last_port: server.ports.1,
            state: match server.state {
                MediaState::Active => "active",
                MediaState::Draining => "draining",
            },
            calls: state
                .calls()
                .values()
                .filter(|call| call.summary.media_server == Some(server.id))
                .count(),
        });
        views.collect()
    }
}

/// List control nodes
#[utoipa::path(get, path = "/nodes", tag = "cluster", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<NodeView>)))]
async fn list_nodes(State(api): State<Arc<Api>>, query: ListQuery) -> Result<Response, Refusal> {
    let nodes = NodeView::all(&api.plane.state(), &api.plane.status());
    let page = query.page(nodes.into_iter(), &NODE_FIELDS, |node| node)?;
    Ok(axum::Json(page).into_response())
}

/// Take a control node out of the cluster for good
#[utoipa::path(delete, path = "/nodes/{node_id}", tag = "cluster", params(("node_id" = u64, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 404, description = "No such node"), (status = 409, description = "It must stay")))]
async fn remove_node(State(api): State<Arc<Api>>, Id(node): Id<NodeId>) -> Result<Done, Refusal> {
    let known = api
        .plane
        .status()
        .peers
        .iter()
        .any(|peer| peer.node == node);
    if !known && !api.plane.state().nodes().contains(&node) {
        return Err(Refusal::not_found("Node", "id", node));
    }
    api.plane.remove_node(node).await?;
    Ok(Done)
}

/// List media servers
#[utoipa::path(get, path = "/media-servers", tag = "cluster", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<MediaServerView>)))]
async fn list_media_servers(
    State(api): State<Arc<Api>>,
    query: ListQuery,
) -> Result<Response, Refusal> {
    let servers = MediaServerView::all(&api.plane.state());
    let page = query.page(servers.into_iter(), &MEDIA_FIELDS, |server| server)?;
    Ok(axum::Json(page).into_response())
}

body! {
    /// What a media server is to do.
    struct MediaServerBody {
        /// `draining`: its calls go to others, and it gets no new ones; `active`: it gets calls.
        state: String,
    }
}

impl Shape for MediaServerBody {
    const READ_ONLY: &'static [&'static str] = &[
        "id",
        "name",
        "site",
        "control",
        "address",
        "weight",
        "first_port",
        "last_port",
        "calls",
    ];
}

/// Drain a media server, or let it work again
///
/// A drained server's calls are moved to others first, both phones of each are told, and only then its session ends:
/// nobody is cut off. It is empty when it has no `calls`.
#[utoipa::path(put, path = "/media-servers/{media_server_id}", tag = "cluster",
    params(("media_server_id" = u32, Path)), request_body = MediaServerBody, security(("token" = [])),
    responses((status = 204), (status = 400, description = "A wrong field, in `errors`"),
        (status = 404, description = "No such media server")))]
async fn set_media_server(
    State(api): State<Arc<Api>>,
    Id(id): Id<MediaServerId>,
    Body(body): Body<MediaServerBody>,
) -> Result<Done, Refusal> {
    let state = match body.state.value().as_deref() {
        Some("draining") => MediaState::Draining,
        Some("active") => MediaState::Active,
        Some(_) | None => return Err(Refusal::field("state", "must be draining or active")),
    };
    let command = Command::Media(MediaCommand::SetState { id, state });
    write::done(api.plane(), command).await?;
    Ok(Done)
}

body! {
    /// What a machine wants to be.
    struct JoinTokenBody {
        /// `control` or `media`.
        role: String,
        /// How long the token is good, in seconds.
        expiration: u32,
    }
}

impl Shape for JoinTokenBody {}

/// Lets one machine in.
#[derive(Debug, Serialize, ToSchema)]
struct JoinTokenView {
    token: String,
    role: String,
    expires_at: String,
}

/// Make a token that lets one more machine into the cluster
#[utoipa::path(post, path = "/join-tokens", tag = "cluster", request_body = JoinTokenBody, security(("token" = [])),
    responses((status = 201, body = JoinTokenView), (status = 400, description = "A wrong field, in `errors`")))]
async fn join_token(
    State(api): State<Arc<Api>>,
    Body(body): Body<JoinTokenBody>,
) -> Result<Response, Refusal> {
    let name = body.role.value().unwrap_or_else(|| "control".to_owned());
    let role = match name.as_str() {
        "control" => JoinRole::Control,
        "media" => JoinRole::Media,
        _ => return Err(Refusal::field("role", "must be control or media")),
    };
    let lifetime_s = body.expiration.value().unwrap_or(DEFAULT_LIFETIME_S);
    if !(1..=MAX_LIFETIME_S).contains(&lifetime_s) {
        let message = format!("must be between 1 and {MAX_LIFETIME_S} seconds");
        return Err(Refusal::field("expiration", message));
    }
    let token = api.plane.join_token(role, lifetime_s).await?;
    let expires_at = time::rfc3339(token.expires_at_ms);
    Ok(Created(
        String::new(),
        JoinTokenView {
            token: token.token,
            role: name,
            expires_at,
        },
    )
    .into_response())
}
