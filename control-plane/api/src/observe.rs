//! What surrounds every request: what it accepts, how long it took, and that nobody keeps the answer.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::refusal::{Kind, Place, Refusal};
use crate::router::Api;

/// Counts and times an answer under its route, never under the path that was asked.
pub(crate) async fn measure(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let seconds = started.elapsed().as_secs_f64();
    api.metrics
        .http
        .answered(route, method.as_str(), response.status().as_u16(), seconds);
    let headers = response.headers_mut();
    let fixed = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            HeaderName::from_static("x-frame-options"),
            HeaderValue::from_static("DENY"),
        ),
    ];
    headers.extend(fixed);
    response
}

/// Paths that answer comma-separated values, alone or as well.
const CSV_PATHS: [&str; 4] = ["/users/export", "/call_logs", "/cdr", "/openapi.json"];

/// JSON answers are refused to those who do not take JSON.
pub(crate) async fn accept(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let csv = CSV_PATHS.iter().any(|end| path.ends_with(end));
    if !csv && !accepts(request.headers(), "application/json") {
        let message = "this path answers application/json only";
        return Refusal::new(Kind::NotAcceptable, Place::Header("Accept"), message).into_response();
    }
    next.run(request).await
}

/// Whether a request takes this type (RFC 9110 §12.5.1, without weights other than 0).
pub(crate) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut named = false;
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            named = true;
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let refused =
                parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            let class = media_type.split('/').next().unwrap_or_default();
            let fits = name == media_type || name == "*/*" || name == format!("{class}/*");
            if fits && !refused {
                return true;
            }
        }
    }
    !named
}

/// Whether JSON was asked for by its name.
pub(crate) fn names_json(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.to_ascii_lowercase().contains("json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_takes_what_it_names_or_anything_if_it_names_nothing() {
        let accepts_json = |value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::ACCEPT, HeaderValue::from_static(value));
            }
            accepts(&headers, "application/json")
        };
        assert!(accepts_json(None));
        assert!(accepts_json(Some("*/*")));
        assert!(accepts_json(Some("text/html, application/*;q=0.8")));
        assert!(accepts_json(Some("application/JSON")));
        assert!(!accepts_json(Some("text/csv")));
        assert!(!accepts_json(Some("application/json;q=0")));
    }
}
