use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use carillon_model::{
    EndpointId, Resource, ResourceKey, Secret, SipEndpoint, State as Replica, Table,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::{self, Collection};
use super::relations::{LineName, Relations, TrunkRelation};
use crate::answer::Done;
use crate::body::{Body, Shape};
use crate::extract::{Base, Id};
use crate::fields::{Field, body};
use crate::generate::Generator;
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

impl Collection for SipEndpoint {
    type Id = EndpointId;
    type View = EndpointView;
    type Body = EndpointBody;

    const NAME: &'static str = "SIPEndpoint";
    const PATH: &'static str = "endpoints/sip";
    const FIELDS: &'static [&'static str] = &["id", "name", "label", "username", "type", "host"];

    fn all(state: &Replica) -> &Table<EndpointId, Self> {
        state.endpoints()
    }

    fn id(number: u32) -> EndpointId {
        EndpointId(number)
    }

    fn key(id: EndpointId) -> ResourceKey {
        ResourceKey::Endpoint(id)
    }

    fn into_resource(self) -> Resource {
        Resource::Endpoint(self)
    }

    fn view(&self, relations: Relations<'_>) -> EndpointView {
        let line = relations.state.line_of_endpoint(self.id);
        let secret = self.secret.expose().to_owned();
        EndpointView {
            id: self.id.0,
            name: self.name.clone(),
            label: self.label.clone(),
            username: self.username.clone(),
            secret: secret.clone(),
            r#type: self.kind.clone(),
            host: self.host.clone(),
            options: self
                .options
                .iter()
                .map(|(name, value)| Pair(name.clone(), value.clone()))
                .collect(),
            auth_section_options: vec![
                Pair("username".to_owned(), self.username.clone()),
                Pair("password".to_owned(), secret),
            ],
            line: line.and_then(|line| relations.line_named(line.id)),
            trunk: relations
                .state
                .trunk_of_endpoint(self.id)
                .map(|trunk| relations.trunk(trunk)),
            links: Link::of(relations.base, "endpoint_sip", "endpoints/sip", self.id),
        }
    }

    fn write(&mut self, body: EndpointBody) -> Result<(), Refusal> {
        let mut username = body.username;
        let mut secret = body.secret;
        for Pair(name, value) in body.auth_section_options.value().into_iter().flatten() {
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
        let renamed = matches!(&username, Field::Value(username) if *username != self.username);
        if renamed && self.name == self.username && body.name.is_missing() {
            self.name.clear();
        }
        body.name.or_default_into(&mut self.name, String::new());
        body.label.into_text(&mut self.label);
        username.required_into("username", &mut self.username)?;
        let mut text = self.secret.expose().to_owned();
        secret.required_into("secret", &mut text)?;
        self.secret = Secret::new(text);
        body.r#type
            .or_default_into(&mut self.kind, "friend".to_owned());
        body.host
            .or_default_into(&mut self.host, "dynamic".to_owned());
        match body.options {
            Field::Missing => {}
            Field::Null => self.options.clear(),
            Field::Value(pairs) => {
                self.options = pairs
                    .into_iter()
                    .map(|Pair(name, value)| (name, value))
                    .collect();
            }
        }
        Ok(())
    }
}

/// List SIP endpoints
#[utoipa::path(get, path = "/endpoints/sip", tag = "endpoints", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<EndpointView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    query: ListQuery,
) -> Result<Response, Refusal> {
    collection::list::<SipEndpoint>(&api, &base, &query)
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
    endpoint.write(given)?;
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
    collection::created::<SipEndpoint>(&api, &base, key)
}

/// Show a SIP endpoint
#[utoipa::path(get, path = "/endpoints/sip/{endpoint_id}", tag = "endpoints", params(("endpoint_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = EndpointView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<EndpointId>,
) -> Result<Response, Refusal> {
    collection::show::<SipEndpoint>(&api, &base, id)
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
    collection::update::<SipEndpoint>(&api, id, body).await
}

/// Delete a SIP endpoint, which must have neither line nor trunk
#[utoipa::path(delete, path = "/endpoints/sip/{endpoint_id}", tag = "endpoints", params(("endpoint_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<EndpointId>) -> Result<Done, Refusal> {
    collection::delete::<SipEndpoint>(&api, id).await
}
