use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{Binding, EndpointId, State as Replica};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};
use crate::time;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list))
}

/// A contact of a SIP endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Registration)]
struct RegistrationView {
    endpoint_id: u32,
    username: String,
    line_id: Option<u32>,
    user_uuid: Option<String>,
    /// The number by which others know the line.
    number: Option<String>,
    contact: String,
    transport: &'static str,
    /// The node that holds the way to the phone, by name.
    node: String,
    node_id: u64,
    /// The phone's address as that node sees it.
    peer: String,
    user_agent: Option<String>,
    /// `+sip.instance`.
    instance: Option<String>,
    registered_at: String,
    expires_at: String,
}

const FIELDS: [&str; 9] = [
    "endpoint_id",
    "username",
    "line_id",
    "number",
    "contact",
    "transport",
    "node",
    "node_id",
    "expires_at",
];

impl RegistrationView {
    fn of(state: &Replica, endpoint: EndpointId, binding: &Binding) -> Self {
        let line = state.line_of_endpoint(endpoint);
        let user = line.and_then(|line| state.user_of_line(line.id));
        let node = state.nodes().get(&binding.flow.node);
        Self {
            endpoint_id: endpoint.0,
            username: state
                .endpoints()
                .get(&endpoint)
                .map(|endpoint| endpoint.username.clone())
                .unwrap_or_default(),
            line_id: line.map(|line| line.id.0),
            user_uuid: user.map(|user| user.uuid.clone()),
            number: line
                .and_then(|line| state.number_of_line(line.id))
                .map(str::to_owned),
            contact: binding.contact.clone(),
            transport: binding.flow.transport.as_str(),
            node: node.map_or_else(|| binding.flow.node.to_string(), |node| node.name.clone()),
            node_id: binding.flow.node.0,
            peer: binding.flow.peer.to_string(),
            user_agent: binding.user_agent.clone(),
            instance: binding.instance.clone(),
            registered_at: time::rfc3339(binding.updated_at_ms),
            expires_at: time::rfc3339(binding.expires_at_ms),
        }
    }
}

/// List the phones that can be reached now
#[utoipa::path(get, path = "/registrations", tag = "registrations", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<RegistrationView>)))]
async fn list(State(api): State<Arc<Api>>, query: ListQuery) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let now_ms = api.now_ms();
    let rows = state
        .registrations()
        .iter()
        .flat_map(|(endpoint, bindings)| {
            let live = bindings
                .iter()
                .filter(|binding| binding.expires_at_ms > now_ms);
            live.map(move |binding| (*endpoint, binding))
        });
    let rows: Vec<_> = rows.collect();
    let view = |(endpoint, binding)| RegistrationView::of(&state, endpoint, binding);
    let page = query.page(rows.into_iter(), &FIELDS, view)?;
    Ok(axum::Json(page).into_response())
}
