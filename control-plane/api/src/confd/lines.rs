use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use carillon_model::{Line, LineId, Resource, ResourceKey, SiteId, State as Replica, Table};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::collection::{self, Collection};
use super::relations::{EndpointRelation, ExtensionRelation, Relations, UserRelation};
use crate::answer::Done;
use crate::body::{Body, Shape};
use crate::extract::{Base, Id};
use crate::fields::body;
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

/// A line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Line)]
pub(crate) struct LineView {
    id: u32,
    /// The name of its credentials.
    name: Option<String>,
    protocol: Option<&'static str>,
    context: String,
    position: u32,
    /// The same as `position`.
    device_slot: u32,
    device_id: Option<String>,
    caller_id_name: Option<String>,
    caller_id_num: Option<String>,
    provisioning_code: Option<String>,
    /// The same as `provisioning_code`.
    provisioning_extension: Option<String>,
    registrar: Option<String>,
    /// The site of its phones, if it is fixed.
    site: Option<u32>,
    endpoint_sip: Option<EndpointRelation>,
    /// There are no others than SIP endpoints.
    endpoint_sccp: Option<EndpointRelation>,
    endpoint_custom: Option<EndpointRelation>,
    extensions: Vec<ExtensionRelation>,
    users: Vec<UserRelation>,
    links: Vec<Link>,
}

body! {
    /// What can be said of a line. An update changes what is there; `null` is back to the default.
    pub(super) struct LineBody {
        /// Name of a context; needed to create one.
        context: String,
        position: u32,
        caller_id_name: String,
        caller_id_num: String,
        /// Six digits; made up if none are given.
        provisioning_code: String,
        registrar: String,
        /// Number of a site.
        site: u32,
    }
}

impl Shape for LineBody {
    const READ_ONLY: &'static [&'static str] = &[
        "id",
        "name",
        "protocol",
        "device_slot",
        "device_id",
        "provisioning_extension",
        "endpoint_sip",
        "endpoint_sccp",
        "endpoint_custom",
        "extensions",
        "users",
        "links",
        "tenant_uuid",
    ];
    const ABSENT: &'static [&'static str] = &["application"];
}

impl Collection for Line {
    type Id = LineId;
    type View = LineView;
    type Body = LineBody;

    const NAME: &'static str = "Line";
    const PATH: &'static str = "lines";
    const FIELDS: &'static [&'static str] = &[
        "id",
        "name",
        "protocol",
        "context",
        "position",
        "caller_id_name",
        "caller_id_num",
        "provisioning_code",
        "registrar",
    ];

    fn all(state: &Replica) -> &Table<LineId, Self> {
        state.lines()
    }

    fn id(number: u32) -> LineId {
        LineId(number)
    }

    fn key(id: LineId) -> ResourceKey {
        ResourceKey::Line(id)
    }

    fn into_resource(self) -> Resource {
        Resource::Line(self)
    }

    fn view(&self, relations: Relations<'_>) -> LineView {
        LineView {
            id: self.id.0,
            name: relations.line_name(self),
            protocol: self.endpoint_sip.map(|_| "sip"),
            context: self.context.clone(),
            position: self.position,
            device_slot: self.position,
            device_id: None,
            caller_id_name: self.caller_id_name.clone(),
            caller_id_num: self.caller_id_num.clone(),
            provisioning_code: self.provisioning_code.clone(),
            provisioning_extension: self.provisioning_code.clone(),
            registrar: self.registrar.clone(),
            site: self.site.map(|site| site.0),
            endpoint_sip: self.endpoint_sip.and_then(|id| relations.endpoint(id)),
            endpoint_sccp: None,
            endpoint_custom: None,
            extensions: relations.extensions(&self.extensions),
            users: relations.users(&self.users),
            links: Link::of(relations.base, "lines", "lines", self.id),
        }
    }

    fn write(&mut self, body: LineBody) -> Result<(), Refusal> {
        body.context.required_into("context", &mut self.context)?;
        body.position.or_default_into(&mut self.position, 1);
        body.caller_id_name.into_text(&mut self.caller_id_name);
        body.caller_id_num.into_text(&mut self.caller_id_num);
        body.provisioning_code
            .into_text(&mut self.provisioning_code);
        body.registrar.into_text(&mut self.registrar);
        let mut site = self.site.map(|site| site.0);
        body.site.into_optional(&mut site);
        self.site = site.map(SiteId);
        Ok(())
    }
}

/// List lines
#[utoipa::path(get, path = "/lines", tag = "lines", params(ListParameters), security(("token" = [])),
    responses((status = 200, body = Page<LineView>)))]
async fn list(
    State(api): State<Arc<Api>>,
    base: Base,
    query: ListQuery,
) -> Result<Response, Refusal> {
    collection::list::<Line>(&api, &base, &query)
}

/// Create a line
#[utoipa::path(post, path = "/lines", tag = "lines", request_body = LineBody, security(("token" = [])),
    responses((status = 201, body = LineView), (status = 400, body = Vec<String>)))]
async fn create(
    State(api): State<Arc<Api>>,
    base: Base,
    Body(body): Body<LineBody>,
) -> Result<Response, Refusal> {
    let mut line = Line::default();
    line.write(body)?;
    let key = if line.provisioning_code.is_some() {
        write::create(api.plane(), Resource::Line(line)).await?
    } else {
        let generate = || {
            let provisioning_code = Some(Generator::new()?.provisioning_code());
            Ok(Resource::Line(Line {
                provisioning_code,
                ..line.clone()
            }))
        };
        write::create_generated(api.plane(), &["provisioning_code"], generate).await?
    };
    collection::created::<Line>(&api, &base, key)
}

/// Show a line
#[utoipa::path(get, path = "/lines/{line_id}", tag = "lines", params(("line_id" = u32, Path)), security(("token" = [])),
    responses((status = 200, body = LineView), (status = 404, body = Vec<String>)))]
async fn show(
    State(api): State<Arc<Api>>,
    base: Base,
    Id(id): Id<LineId>,
) -> Result<Response, Refusal> {
    collection::show::<Line>(&api, &base, id)
}

/// Change fields of a line
#[utoipa::path(put, path = "/lines/{line_id}", tag = "lines", params(("line_id" = u32, Path)),
    request_body = LineBody, security(("token" = [])),
    responses((status = 204), (status = 400, body = Vec<String>), (status = 404, body = Vec<String>)))]
async fn update(
    State(api): State<Arc<Api>>,
    Id(id): Id<LineId>,
    Body(body): Body<LineBody>,
) -> Result<Done, Refusal> {
    collection::update::<Line>(&api, id, body).await
}

/// Delete a line; what it was linked to stays
#[utoipa::path(delete, path = "/lines/{line_id}", tag = "lines", params(("line_id" = u32, Path)),
    security(("token" = [])), responses((status = 204), (status = 404, body = Vec<String>)))]
async fn delete(State(api): State<Arc<Api>>, Id(id): Id<LineId>) -> Result<Done, Refusal> {
    collection::delete::<Line>(&api, id).await
}
