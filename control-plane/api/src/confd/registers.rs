use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use carillon_model::{
    Register, RegisterId, Resource, ResourceKey, Secret, State as Replica, Table, Transport,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::{self, Collection};
use super::relations::{Relations, TrunkRelation};
use crate::answer::Done;
use crate::body::{Body, Shape};
use crate::extract::{Base, Id};
use crate::fields::{Field, body};
use crate::link::Link;
use crate::list::{ListParameters, ListQuery, Page};
use crate::refusal::Refusal;
use crate::router::{Api, Routes};

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
}

/// A registration at a carrier.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SipRegister)]
pub(crate) struct RegisterView {
    id: u32,
    enabled: bool,
    transport: Option<&'static str>,
    sip_username: String,
    auth_username: Option<String>,
    auth_password: Option<String>,
    realm: Option<String>,
    remote_host: String,
    remote_port: Option<u16>,
    callback_extension: Option<String>,
    /// Seconds.
    expiration: u32,
    trunk: Option<TrunkRelation>,
    links: Vec<Link>,
}

body! {
    /// What can be said of a registration at a carrier. An update changes what is there.
    pub(super) struct RegisterBody {
        enabled: bool,
        /// `udp`, `tcp` or `tls`; left out, the carrier's name servers say.
        transport: String,
        /// The name that is registered; needed to create one.
        sip_username: String,
        /// The name in the credentials, if it is another.
        auth_username: String,
        auth_password: String,
        /// Only challenges of this realm are answered.
        realm: String,
        /// Name or address of the carrier; needed to create one.
        remote_host: String,
        remote_port: u16,
        /// What the carrier calls us by; the registered name if none is given.
        callback_extension: String,
        /// Seconds, 30 to 7200.
        expiration: u32,
    }
}

impl Shape for RegisterBody {
    const READ_ONLY: &'static [&'static str] = &["id", "trunk", "links", "tenant_uuid"];
}

impl Collection for Register {
    type Id = RegisterId;
    type View = RegisterView;
    type Body = RegisterBody;

    const NAME: &'static str = "SIPRegister";
    const PATH: &'static str = "registers/sip";
    const FIELDS: &'static [&'static str] = &["id", "sip_username", "remote_host", "enabled"];

    fn all(state: &Replica) -> &Table<RegisterId, Self> {
        state.registers()
    }

    fn id(number: u32) -> RegisterId {
        RegisterId(number)
    }

    fn key(id: RegisterId) -> ResourceKey {
        ResourceKey::Register(id)
    }

    fn into_resource(self) -> Resource {
        Resource::Register(self)
    }

    fn view(&self, relations: Relations<'_>) -> RegisterView {
        let password = self.auth_password.expose();
        RegisterView {
            id: self.id.0,
            enabled: self.enabled,
            transport: self.transport.map(Transport::as_str),
            sip_username: self.sip_username.clone(),
            auth_username: self.auth_username.clone(),
            auth_password: (!password.is_empty()).then(|| password.to_owned()),
            realm: self.realm.clone(),
            remote_host: self.remote_host.clone(),
            remote_port: self.remote_port,
            callback_extension: self.callback_extension.clone(),
            expiration: self.expiration_s,
            trunk: relations
                .state
                .trunk_of_register(self.id)
                .map(|trunk| relations.trunk(trunk)),
            links: Link::of(relations.base, "register_sip", "registers/sip", self.id),
        }
    }

    fn write(&mut self, body: RegisterBody) -> Result<(), Refusal> {
        let default = Self::default();
        body.enabled.or_default_into(&mut self.enabled, true);
        match body.transport {
            Field::Missing => {}
            Field::Null => self.transport = None,
            Field::Value(name) => {
                let known = [Transport::Udp, Transport::Tcp, Transport::Tls];
                let named = known
                    .into_iter()
                    .find(|transport| transport.as_str() == name);
                self.transport = Some(
                    named.ok_or_else(|| Refusal::field("transport", "must be udp, tcp or tls"))?,
                );
            }
        }
        body.sip_username
            .required_into("sip_username", &mut self.sip_username)?;
        body.auth_username.into_text(&mut self.auth_username);
        let mut password = self.auth_password.expose().to_owned();
        body.auth_password
            .or_default_into(&mut password, String::new());
        self.auth_password = Secret::new(password);
        body.realm.into_text(&mut self.realm);
        body.remote_host
            .required_into("remote_host", &mut self.remote_host)?;
        body.remote_port.into_optional(&mut self.remote_port);
        body.callback_extension
            .into_text(&mut self.callback_extension);
        body.expiration
            .or_default_into(&mut self.expiration_s, default.expiration_s);
        Ok(())
    }
}

/// List registrations at carriers
#[utoipa::path(get, path = "/registers/sip", tag = "trunks", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<RegisterView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    query: ListQuery,
) -> Result<Response, Refusal> {
    collection::list::<Register>(&api, &base, &query)
}

/// Create a registration at a carrier; it begins once a trunk has it
#[utoipa::path(post, path = "/registers/sip", tag = "trunks", request_body = RegisterBody, security(("token" = [])),
    responses((status = 201, body = RegisterView), (status = 400, body = Vec<String>)))]
async fn create(
    State(api): State<Arc<Api>>,
    base: Base,
    Body(body): Body<RegisterBody>,
) -> Result<Response, Refusal> {
    let mut register = Register::default();
    register.write(body)?;
    collection::create(&api, &base, register).await
}

/// Show a registration at a carrier
#[utoipa::path(get, path = "/registers/sip/{register_id}", tag = "trunks", params(("register_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = RegisterView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<RegisterId>,
) -> Result<Response, Refusal> {
    collection::show::<Register>(&api, &base, id)
}

/// Change fields of a registration; it works at once
#[utoipa::path(put, path = "/registers/sip/{register_id}", tag = "trunks", params(("register_id" = u32, Path)),
    request_body = RegisterBody, security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn update(
    State(api): State<Arc<Api>>,
    Id(id): Id<RegisterId>,
    Body(body): Body<RegisterBody>,
) -> Result<Done, Refusal> {
    collection::update::<Register>(&api, id, body).await
}

/// Delete a registration that no trunk has
#[utoipa::path(delete, path = "/registers/sip/{register_id}", tag = "trunks", params(("register_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<RegisterId>) -> Result<Done, Refusal> {
    collection::delete::<Register>(&api, id).await
}
