use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{EndpointId, Resource, ResourceKey, Secret, SipEndpoint, State as Replica};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::generate::Generator;
use super::relations::{LineName, Relations, TrunkRelation};
use crate::answer::{Created, Done};
use crate::body::{Body, Shape};
use crate::extract::{Base, Id};
use crate::fields::{Field, body};
use crate::link::Link;
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};
use crate::write;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
}

/// An option: its name and its value.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Pair(String, String);

/// SIP credentials.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SipEndpoint)]
pub(crate) struct EndpointView {
    id: u32,
    name: String,
    label: Option<String>,
    username: String,
    secret: String,
    r#type: String,
    host: String,
    options: Vec<Pair>,
    /// The same credentials as newer clients read them.
    auth_section_options: Vec<Pair>,
    line: Option<LineName>,
    trunk: Option<TrunkRelation>,
    links: Vec<Link>,
}

const FIELDS: [&str; 6] = ["id", "name", "label", "username", "type", "host"];

impl EndpointView {
    fn of(endpoint: &SipEndpoint, relations: Relations<'_>) -> Self {
        let line = relations.state.line_of_endpoint(endpoint.id);
        let secret = endpoint.secret.expose().to_owned();
        Self {
            id: endpoint.id.0,
            name: endpoint.name.clone(),
            label: endpoint.label.clone(),
            username: endpoint.username.clone(),
            secret: secret.clone(),
            r#type: endpoint.kind.clone(),
            host: endpoint.host.clone(),
            options: endpoint
                .options
                .iter()
                .map(|(name, value)| Pair(name.clone(), value.clone()))
                .collect(),
            auth_section_options: vec![
                Pair("username".to_owned(), endpoint.username.clone()),
                Pair("password".to_owned(), secret),
            ],
            line: line.and_then(|line| relations.line_named(line.id)),
            trunk: relations
                .state
                .trunk_of_endpoint(endpoint.id)
                .map(|trunk| relations.trunk(trunk)),
            links: Link::of(relations.base, "endpoint_sip", "endpoints/sip", endpoint.id),
        }
    }
}

body! {
    /// What can be said of SIP credentials. An update changes what is there.
    pub(super) struct EndpointBody {
        name: String,
        label: String,
        /// Made up if none is given.
        username: String,
        /// Made up if none is given.
        secret: String,
        /// `friend`, `peer` or `user`.
        r#type: String,
        /// `dynamic`, or the address of a peer that does not register.
        host: String,
        /// Further options as pairs.
        options: Vec<Pair>,
        /// `username` and `password` as pairs: the same as the fields above.
        auth_section_options: Vec<Pair>,
    }
}

impl Shape for EndpointBody {
    const READ_ONLY: &'static [&'static str] =
        &["id", "uuid", "line", "trunk", "links", "tenant_uuid"];
    const ABSENT: &'static [&'static str] = &[
        "aor_section_options",
        "endpoint_section_options",
        "identify_section_options",
        "outbound_auth_section_options",
        "registration_outbound_auth_section_options",
        "registration_section_options",
        "templates",
        "transport",
        "asterisk_id",
    ];
}

impl EndpointBody {
    fn write(self, endpoint: &mut SipEndpoint) -> Result<(), Refusal> {
        let mut username = self.username;
        let mut secret = self.secret;
        for Pair(name, value) in self.auth_section_options.value().into_iter().flatten() {
            match name.as_str() {
                // Where both forms are there, as in what was read, the plain field says more.
                "username" if username.is_missing() => username = Field::Value(value),
                "password" if secret.is_missing() => secret = Field::Value(value),
                "username" | "password" => {}
                other => {
                    let message =
                        format!("there is no option '{other}'; known are username and password");
                    return Err(Refusal::field("auth_section_options", message));
                }
            }
        }
        let renamed = matches!(&username, Field::Value(username) if *username != endpoint.username);
        if renamed && endpoint.name == endpoint.username && self.name.is_missing() {
            endpoint.name.clear();
        }
        self.name.or_default_into(&mut endpoint.name, String::new());
        self.label.into_text(&mut endpoint.label);
        username.required_into("username", &mut endpoint.username)?;
        let mut text = endpoint.secret.expose().to_owned();
        secret.required_into("secret", &mut text)?;
        endpoint.secret = Secret::new(text);
        self.r#type
            .or_default_into(&mut endpoint.kind, "friend".to_owned());
        self.host
            .or_default_into(&mut endpoint.host, "dynamic".to_owned());
        match self.options {
            Field::Missing => {}
            Field::Null => endpoint.options.clear(),
            Field::Value(pairs) => {
                endpoint.options = pairs
                    .into_iter()
                    .map(|Pair(name, value)| (name, value))
                    .collect();
            }
        }
        Ok(())
    }
}

fn find(state: &Replica, id: EndpointId) -> Result<&Arc<SipEndpoint>, Refusal> {
    state
        .endpoints()
        .get(&id)
        .ok_or_else(|| Refusal::not_found("SIPEndpoint", "id", id))
}

/// List SIP endpoints
#[utoipa::path(get, path = "/endpoints/sip", tag = "endpoints", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<EndpointView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    query: ListQuery,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base: &base,
    };
    let page = query.page(state.endpoints().values(), &FIELDS, |endpoint| {
        EndpointView::of(endpoint, relations)
    })?;
    Ok(axum::Json(page).into_response())
}

/// Create a SIP endpoint; name and secret are made up if they are not given
#[utoipa::path(post, path = "/endpoints/sip", tag = "endpoints", request_body = EndpointBody, security(("token" = [])),
    responses((status = 201, body = EndpointView), (status = 400, body = Vec<String>)))]
async fn create(
    State(api): State<Arc<Api>>,
    base: Base,
    Body(body): Body<EndpointBody>,
) -> Result<Response, Refusal> {
    let mut endpoint = SipEndpoint::default();
    let mut given = body;
    // On creation `null` is the same as nothing.
    for field in [&mut given.username, &mut given.secret] {
        if matches!(field, Field::Null) || matches!(field, Field::Value(text) if text.is_empty()) {
            *field = Field::Missing;
        }
    }
    given.write(&mut endpoint)?;
    if endpoint.secret.is_empty() {
        endpoint.secret = Generator::new()?.secret();
    }
    let key = if endpoint.username.is_empty() {
        let generate = || {
            let username = Generator::new()?.username();
            Ok(Resource::Endpoint(SipEndpoint {
                username,
                ..endpoint.clone()
            }))
        };
        write::create_generated(api.plane(), &["username"], generate).await?
    } else {
        write::create(api.plane(), Resource::Endpoint(endpoint)).await?
    };
    let state = api.plane.state();
    let endpoint = find(&state, EndpointId(key.number()))?;
    let view = EndpointView::of(
        endpoint,
        Relations {
            state: &state,
            base: &base,
        },
    );
    Ok(Created(base.of(&format!("endpoints/sip/{}", endpoint.id)), view).into_response())
}

/// Show a SIP endpoint
#[utoipa::path(get, path = "/endpoints/sip/{endpoint_id}", tag = "endpoints", params(("endpoint_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = EndpointView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<EndpointId>,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let view = EndpointView::of(
        find(&state, id)?,
        Relations {
            state: &state,
            base: &base,
        },
    );
    Ok(axum::Json(view).into_response())
}

/// Change fields of a SIP endpoint
#[utoipa::path(put, path = "/endpoints/sip/{endpoint_id}", tag = "endpoints", params(("endpoint_id" = u32, Path)),
    request_body = EndpointBody, security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn update(
    State(api): State<Arc<Api>>,
    Id(id): Id<EndpointId>,
    Body(body): Body<EndpointBody>,
) -> Result<Done, Refusal> {
    write::update(api.plane(), |state| {
        let mut endpoint = (**find(state, id)?).clone();
        body.clone().write(&mut endpoint)?;
        Ok(Resource::Endpoint(endpoint))
    })
    .await?;
    Ok(Done)
}

/// Delete a SIP endpoint, which must have neither line nor trunk
#[utoipa::path(delete, path = "/endpoints/sip/{endpoint_id}", tag = "endpoints", params(("endpoint_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<EndpointId>) -> Result<Done, Refusal> {
    write::delete(api.plane(), ResourceKey::Endpoint(id)).await?;
    Ok(Done)
}
