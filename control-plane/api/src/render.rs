//! How a refusal looks: an array of sentences for the configuration interface, XiVO's form for tokens, problem+json
//! (RFC 9457) for the rest. Also gives a body to refusals that the router made itself.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::refusal::{Fault, Kind, Place, Refusal};
use crate::router::Api;

/// Families of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Sentences,
    Token,
    Problem,
}

impl Form {
    fn of(path: &str) -> Self {
        let confd = ["/1.1", "/api/confd/1.1", "/api/call-logd/1.0"];
        let token = ["/0.1", "/api/auth/0.1"];
        if confd.iter().any(|prefix| path.starts_with(prefix)) {
            Self::Sentences
        } else if token.iter().any(|prefix| path.starts_with(prefix)) {
            Self::Token
        } else {
            Self::Problem
        }
    }
}

pub(crate) async fn render(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let form = Form::of(request.uri().path());
    let head = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    let refusal = match response.extensions_mut().remove::<Refusal>() {
        Some(refusal) => refusal,
        None => match of_router(response.status()) {
            Some(refusal) => refusal,
            None => return response,
        },
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut rendered = match form {
        Form::Sentences => sentences(&refusal),
        Form::Token => token(&refusal, api.now_ms()),
        Form::Problem => problem(&refusal),
    };
    if head {
        *rendered.body_mut() = axum::body::Body::empty();
    }
    let headers = rendered.headers_mut();
    if let Some(allow) = allow {
        headers.insert(header::ALLOW, allow);
    }
    if let Some(seconds) = refusal.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.kind == Kind::Unauthorized {
        let realm = HeaderValue::from_static("Basic realm=\"carillon\", charset=\"UTF-8\"");
        headers.insert(header::WWW_AUTHENTICATE, realm);
    }
    rendered
}

/// What the router refuses by itself, in words.
fn of_router(status: StatusCode) -> Option<Refusal> {
    let (kind, message) = match status {
        StatusCode::METHOD_NOT_ALLOWED => (
            Kind::MethodNotAllowed,
            "this path does not have this method; the Allow header names those it has",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (Kind::TooLarge, "the body is too large"),
        _ => return None,
    };
    Some(Refusal::new(kind, Place::Request, message))
}

fn sentence(kind: Kind, fault: &Fault) -> String {
    let Fault { place, message } = fault;
    let title = kind.title();
    match place {
        // The sentence names what was not found.
        _ if kind == Kind::NotFound => format!("{title} - {message}"),
        Place::Body(field) | Place::Query(field) | Place::Path(field) => {
            format!("{title} - field '{field}': {message}")
        }
        Place::Header(header) => format!("{title} - header '{header}': {message}"),
        Place::Request => format!("{title} - {message}"),
    }
}

fn sentences(refusal: &Refusal) -> Response {
    let status = match refusal.kind {
        // The configuration interface has no 409.
        Kind::Resource => StatusCode::BAD_REQUEST,
        kind => kind.status(),
    };
    let sentences: Vec<String> = refusal
        .faults
        .iter()
        .map(|fault| sentence(refusal.kind, fault))
        .collect();
    (status, axum::Json(sentences)).into_response()
}

fn token(refusal: &Refusal, now_ms: u64) -> Response {
    let status = refusal.kind.status();
    let reason: Vec<String> = refusal
        .faults
        .iter()
        .map(|fault| match &fault.place {
            Place::Body(field) | Place::Query(field) | Place::Path(field) => {
                format!("{field}: {}", fault.message)
            }
            Place::Header(header) => format!("{header}: {}", fault.message),
            Place::Request => fault.message.clone(),
        })
        .collect();
    let body = json!({
        "reason": reason,
        "timestamp": [now_ms / 1000],
        "status_code": status.as_u16(),
    });
    (status, axum::Json(body)).into_response()
}

fn problem(refusal: &Refusal) -> Response {
    let status = refusal.kind.status();
    let errors: Vec<Value> = refusal
        .faults
        .iter()
        .map(|Fault { place, message }| match place {
            Place::Body(field) => json!({
                "detail": message,
                "pointer": format!("#/{}", field.replace('~', "~0").replace('.', "/")),
            }),
            Place::Query(parameter) => json!({"detail": message, "parameter": parameter}),
            Place::Path(parameter) => json!({"detail": message, "path_parameter": parameter}),
            Place::Header(header) => json!({"detail": message, "header": header}),
            Place::Request => json!({"detail": message}),
        })
        .collect();
    let details: Vec<&str> = refusal
        .faults
        .iter()
        .map(|fault| fault.message.as_str())
        .collect();
    let body = json!({
        "type": "about:blank",
        "title": refusal.kind.title(),
        "status": status.as_u16(),
        "detail": details.join("; "),
        "errors": errors,
    });
    let mut response = (status, axum::Json(body)).into_response();
    let problem = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, problem);
    response
}
