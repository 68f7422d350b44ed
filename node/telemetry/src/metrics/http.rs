use prometheus::Registry;

use super::instrument::{self, DELAY_BUCKETS, Histograms};

/// REST requests.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: Histograms,
}

impl HttpMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            requests: instrument::histograms(
                registry,
                "carillon_http_request_duration_seconds",
                "Time to answer an HTTP request.",
                &["route", "method", "code"],
                DELAY_BUCKETS,
            ),
        }
    }

    /// `route` is the pattern (`/1.1/users/{id}`), never the path of a request.
    pub fn answered(&self, route: &str, method: &str, code: u16, seconds: f64) {
        let method = match method {
            "GET" | "POST" | "PUT" | "DELETE" | "PATCH" | "HEAD" | "OPTIONS" => method,
            _ => "OTHER",
        };
        let code = code.to_string();
        self.requests.at(&[route, method, &code]).observe(seconds);
    }
}
