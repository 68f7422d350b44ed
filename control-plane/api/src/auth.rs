//! Tokens: got with a password, shown with every request, valid at every node until they expire or are revoked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use carillon_model::{
    Account, AccountCommand, Administrator, ApiToken, Command, Secret, State as Replica, TokenHash,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body as bodies;
use crate::body::{MAX_JSON_BYTES, Shape};
use crate::extract::Caller;
use crate::fields::body;
use crate::generate::Generator;
use crate::refusal::{Kind, Place, Refusal};
use crate::router::{Api, Routes};
use crate::{time, write};

const DEFAULT_LIFETIME_S: u64 = 7_200;
const MAX_LIFETIME_S: u64 = 366 * 24 * 3600;

pub(crate) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(log_in))
        .routes(routes!(show, check, revoke))
        .routes(routes!(backends))
}

body! {
    /// A login. All of it may be left out.
    struct Login {
        /// How long the token is to be valid, in seconds.
        expiration: u64,
        /// Which sort of account: `xivo_admin` or `xivo_service`.
        backend: String,
    }
}

impl Shape for Login {
    const READ_ONLY: &'static [&'static str] = &[
        "access_type",
        "client_id",
        "domain_name",
        "session_type",
        "tenant_id",
    ];
    const ABSENT: &'static [&'static str] = &["refresh_token", "saml_session_id"];
}

const BACKENDS: [&str; 2] = ["xivo_admin", "xivo_service"];

#[derive(Debug, Serialize, ToSchema)]
struct Envelope<T> {
    data: T,
}

/// A token and what it is good for.
#[derive(Debug, Serialize, ToSchema)]
struct TokenView {
    /// To be sent as `X-Auth-Token`.
    token: String,
    /// The account.
    auth_id: String,
    /// Rights.
    acls: Vec<&'static str>,
    /// The same under its newer name.
    acl: Vec<&'static str>,
    issued_at: String,
    expires_at: String,
    utc_issued_at: String,
    utc_expires_at: String,
    /// Always empty: administrators are no users.
    xivo_user_uuid: Option<String>,
    metadata: TokenMetadata,
}

#[derive(Debug, Serialize, ToSchema)]
struct TokenMetadata {
    username: String,
}

impl TokenView {
    fn of(token: String, stored: &ApiToken, administrator: &Administrator) -> Self {
        Self {
            token,
            auth_id: administrator.id.to_string(),
            acls: vec!["#"],
            acl: vec!["#"],
            issued_at: time::naive(stored.created_at_ms),
            expires_at: time::naive(stored.expires_at_ms),
            utc_issued_at: time::naive(stored.created_at_ms),
            utc_expires_at: time::naive(stored.expires_at_ms),
            xivo_user_uuid: None,
            metadata: TokenMetadata {
                username: administrator.username.clone(),
            },
        }
    }
}

/// Get a token with name and password
#[utoipa::path(post, path = "/token", tag = "token", request_body = Option<Login>, security(("login" = [])),
    responses((status = 200, body = Envelope<TokenView>), (status = 401, description = "Wrong name or password"),
        (status = 429, description = "Too many wrong passwords from this address")))]
async fn log_in(
    State(api): State<Arc<Api>>,
    source: Source,
    request: Request,
) -> Result<Response, Refusal> {
    let basic = Basic::of(request.headers())?;
    let body = bodies::read(request, MAX_JSON_BYTES).await?;
    let login = if body.is_empty() {
        Login::default()
    } else {
        bodies::parse(&body)?
    };
    let lifetime_s = login.expiration.value().unwrap_or(DEFAULT_LIFETIME_S);
    if !(1..=MAX_LIFETIME_S).contains(&lifetime_s) {
        return Err(Refusal::field(
            "expiration",
            format!("must be between 1 and {MAX_LIFETIME_S} seconds"),
        ));
    }
    if let Some(backend) = login
        .backend
        .value()
        .filter(|backend| !BACKENDS.contains(&backend.as_str()))
    {
        let message = format!(
            "there is no backend '{backend}'; there are {}",
            BACKENDS.join(" and ")
        );
        return Err(Refusal::new(
            Kind::Unauthorized,
            Place::Body("backend".to_owned()),
            message,
        ));
    }
    let administrator = check_password(&api, source.0, basic).await?;
    let now_ms = api.now_ms();
    let text = Generator::new()?.token();
    let stored = ApiToken {
        hash: TokenHash::of(&text),
        account: Account::Administrator(administrator.id),
        created_at_ms: now_ms,
        expires_at_ms: now_ms + lifetime_s * 1000,
        remote_address: Some(source.0.to_string()),
    };
    write::done(
        api.plane(),
        Command::Account(AccountCommand::PutToken(stored.clone())),
    )
    .await?;
    let data = TokenView::of(text, &stored, &administrator);
    Ok(axum::Json(Envelope { data }).into_response())
}

async fn check_password(
    api: &Api,
    source: IpAddr,
    basic: Basic,
) -> Result<Arc<Administrator>, Refusal> {
    if let Some(wait_ms) = api.throttle.wait_ms(source, api.now_ms()) {
        let message = "too many wrong passwords came from your address; wait before you try again";
        let refusal = Refusal::new(Kind::TooManyRequests, Place::Request, message);
        return Err(refusal.retry_after_s(wait_ms.div_ceil(1000)));
    }
    let state = api.plane.state();
    let account = state
        .administrator_by_username(&basic.username)
        .filter(|account| account.enabled);
    let hash = account.map(|account| account.password_hash.clone());
    let fits = api.passwords.verify(basic.password, hash).await?;
    match account.filter(|_| fits) {
        Some(account) => {
            api.throttle.succeeded(source);
            Ok(Arc::clone(account))
        }
        None => {
            api.throttle.failed(source, api.now_ms());
            tracing::warn!("a login was refused");
            tracing::debug!(%source, "the refused login came from here");
            Err(Refusal::new(
                Kind::Unauthorized,
                Place::Request,
                "Authentication Failed: wrong name or password",
            ))
        }
    }
}

/// Show what a token is good for
#[utoipa::path(get, path = "/token/{token}", tag = "token", params(("token" = String, Path)), security(),
    responses((status = 200, body = Envelope<TokenView>), (status = 404, description = "No such token")))]
async fn show(State(api): State<Arc<Api>>, Path(token): Path<String>) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let (stored, administrator) = find(&state, &token, api.now_ms()).ok_or_else(no_such_token)?;
    let data = TokenView::of(token, &stored, &administrator);
    Ok(axum::Json(Envelope { data }).into_response())
}

/// Check a token
#[utoipa::path(head, path = "/token/{token}", tag = "token", params(("token" = String, Path)), security(),
    responses((status = 204, description = "It is valid"), (status = 404, description = "No such token")))]
async fn check(
    State(api): State<Arc<Api>>,
    Path(token): Path<String>,
) -> Result<StatusCode, Refusal> {
    let state = api.plane.state();
    find(&state, &token, api.now_ms()).ok_or_else(no_such_token)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, ToSchema)]
struct Message {
    message: &'static str,
}

/// Revoke a token
#[utoipa::path(delete, path = "/token/{token}", tag = "token", params(("token" = String, Path)), security(),
    responses((status = 200, body = Envelope<Message>)))]
async fn revoke(
    State(api): State<Arc<Api>>,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    let hash = TokenHash::of(&token);
    if api.plane.state().tokens().contains(&hash) {
        write::done(
            api.plane(),
            Command::Account(AccountCommand::RevokeToken { hash }),
        )
        .await?;
    }
    Ok(axum::Json(Envelope {
        data: Message { message: "success" },
    })
    .into_response())
}

/// Name the sorts of accounts
#[utoipa::path(get, path = "/backends", tag = "token", security(), responses((status = 200, body = Envelope<Vec<String>>)))]
async fn backends() -> Response {
    axum::Json(Envelope { data: BACKENDS }).into_response()
}

fn no_such_token() -> Refusal {
    Refusal::new(Kind::NotFound, Place::Request, "No such token")
}

fn find(state: &Replica, token: &str, now_ms: u64) -> Option<(Arc<ApiToken>, Arc<Administrator>)> {
    let stored = state
        .tokens()
        .get(&TokenHash::of(token))
        .filter(|token| token.expires_at_ms > now_ms)?;
    let administrator = match stored.account {
        Account::Administrator(id) => state
            .administrators()
            .get(&id)
            .filter(|account| account.enabled)?,
        // Users have no rights here yet.
        Account::User(_) => return None,
    };
    Some((Arc::clone(stored), Arc::clone(administrator)))
}

/// Lets through who shows a valid token, and waits for a linearizable replica where that was asked.
pub(crate) async fn require_token(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(token) = token_of(request.headers()) else {
        let message = "is missing; get a token with POST /0.1/token";
        return Refusal::new(Kind::Unauthorized, Place::Header("X-Auth-Token"), message)
            .into_response();
    };
    let state = api.plane.state();
    let mut found = find(&state, token, api.now_ms());
    if found.is_none() {
        // The token may have been made at another node a moment ago.
        let _turn = api.unknown_tokens.acquire().await;
        if api.plane.linearizable().await.is_ok() {
            found = find(&api.plane.state(), token, api.now_ms());
        }
    }
    let Some((stored, administrator)) = found else {
        let message = "is not valid any more or never was; get another with POST /0.1/token";
        return Refusal::new(Kind::Unauthorized, Place::Header("X-Auth-Token"), message)
            .into_response();
    };
    // A write is checked against everything that was acknowledged before it, at this node or another.
    let asked = request
        .headers()
        .get("Consistency")
        .is_some_and(|value| value == "linearizable");
    if (asked || !request.method().is_safe())
        && let Err(error) = api.plane.linearizable().await
    {
        return Refusal::from(error).into_response();
    }
    request.extensions_mut().insert(Caller {
        administrator: administrator.id,
        token: stored.hash,
    });
    next.run(request).await
}

/// `X-Auth-Token`, or `Authorization: Bearer`.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let own = headers
        .get("X-Auth-Token")
        .and_then(|value| value.to_str().ok());
    own.or_else(|| {
        headers
            .get(header::AUTHORIZATION)?
            .to_str()
            .ok()?
            .strip_prefix("Bearer ")
    })
}

/// Name and password.
struct Basic {
    username: String,
    password: Secret,
}

impl Basic {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let refusal = |message: &str| {
            Refusal::new(Kind::Unauthorized, Place::Header("Authorization"), message)
        };
        let value = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let (scheme, text) = value
            .and_then(|value| value.split_once(' '))
            .unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(refusal(
                "is missing; send name and password by HTTP basic authentication",
            ));
        }
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(text.trim())
            .ok();
        let decoded = decoded.and_then(|octets| String::from_utf8(octets).ok());
        let (username, password) = decoded
            .as_deref()
            .and_then(|text| text.split_once(':'))
            .ok_or_else(|| refusal("is malformed; it must be the base 64 of name:password"))?;
        Ok(Self {
            username: username.to_owned(),
            password: Secret::new(password),
        })
    }
}

/// The address that a request came from.
struct Source(IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Source {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // Without a connection (a test without sockets) all are one source.
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(
            peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip()),
        ))
    }
}
