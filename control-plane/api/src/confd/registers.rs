use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carillon_model::{
    Register, RegisterId, Resource, ResourceKey, Secret, State as Replica, Transport,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::relations::{Relations, TrunkRelation};
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

const FIELDS: [&str; 4] = ["id", "sip_username", "remote_host", "enabled"];

impl RegisterView {
    fn of(register: &Register, relations: Relations<'_>) -> Self {
        let password = register.auth_password.expose();
        Self {
            id: register.id.0,
            enabled: register.enabled,
            transport: register.transport.map(Transport::as_str),
            sip_username: register.sip_username.clone(),
            auth_username: register.auth_username.clone(),
            auth_password: (!password.is_empty()).then(|| password.to_owned()),
            realm: register.realm.clone(),
            remote_host: register.remote_host.clone(),
            remote_port: register.remote_port,
            callback_extension: register.callback_extension.clone(),
            expiration: register.expiration_s,
            trunk: relations
                .state
                .trunk_of_register(register.id)
                .map(|trunk| relations.trunk(trunk)),
            links: Link::of(relations.base, "register_sip", "registers/sip", register.id),
        }
    }
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
    const ABSENT: &'static [&'static str] = &[];
}

impl RegisterBody {
    fn write(self, register: &mut Register) -> Result<(), Refusal> {
        let default = Register::default();
        self.enabled.or_default_into(&mut register.enabled, true);
        match self.transport {
            Field::Missing => {}
            Field::Null => register.transport = None,
            Field::Value(name) => {
                let known = [Transport::Udp, Transport::Tcp, Transport::Tls];
                let named = known
                    .into_iter()
                    .find(|transport| transport.as_str() == name);
                register.transport = Some(
                    named.ok_or_else(|| Refusal::field("transport", "must be udp, tcp or tls"))?,
                );
            }
        }
        self.sip_username
            .required_into("sip_username", &mut register.sip_username)?;
        self.auth_username.into_text(&mut register.auth_username);
        let mut password = register.auth_password.expose().to_owned();
        self.auth_password
            .or_default_into(&mut password, String::new());
        register.auth_password = Secret::new(password);
        self.realm.into_text(&mut register.realm);
        self.remote_host
            .required_into("remote_host", &mut register.remote_host)?;
        self.remote_port.into_optional(&mut register.remote_port);
        self.callback_extension
            .into_text(&mut register.callback_extension);
        self.expiration
            .or_default_into(&mut register.expiration_s, default.expiration_s);
        Ok(())
    }
}

fn find(state: &Replica, id: RegisterId) -> Result<&Arc<Register>, Refusal> {
    let register = state.registers().get(&id);
    register.ok_or_else(|| Refusal::not_found("SIPRegister", "id", id))
}

/// List registrations at carriers
#[utoipa::path(get, path = "/registers/sip", tag = "trunks", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<RegisterView>)))]
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
    let page = query.page(state.registers().values(), &FIELDS, |register| {
        RegisterView::of(register, relations)
    })?;
    Ok(axum::Json(page).into_response())
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
    body.write(&mut register)?;
    let key = write::create(api.plane(), Resource::Register(register)).await?;
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base: &base,
    };
    let view = RegisterView::of(find(&state, RegisterId(key.number()))?, relations);
    Ok(Created(base.of(&format!("registers/sip/{}", key.number())), view).into_response())
}

/// Show a registration at a carrier
#[utoipa::path(get, path = "/registers/sip/{register_id}", tag = "trunks", params(("register_id" = u32, Path)),
    security(("token" = [])), responses((status = 200, body = RegisterView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<RegisterId>,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base: &base,
    };
    Ok(axum::Json(RegisterView::of(find(&state, id)?, relations)).into_response())
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
    write::update(api.plane(), |state| {
        let mut register = (**find(state, id)?).clone();
        body.clone().write(&mut register)?;
        Ok(Resource::Register(register))
    })
    .await?;
    Ok(Done)
}

/// Delete a registration that no trunk has
#[utoipa::path(delete, path = "/registers/sip/{register_id}", tag = "trunks", params(("register_id" = u32, Path)),
    security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<RegisterId>) -> Result<Done, Refusal> {
    write::delete(api.plane(), ResourceKey::Register(id)).await?;
    Ok(Done)
}
