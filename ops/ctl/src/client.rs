//! Requests to a control node, over TLS that verifies the cluster's authority.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, http};

use crate::command::Access;

const TIMEOUT: Duration = Duration::from_secs(30);
/// A cluster that chooses a leader is back within a second, one that is started again within some.
const INSIST: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// An import of some ten thousand users answers with a line each.
const ANSWER_LIMIT_BYTES: u64 = 64 * 1024 * 1024;
const PAGE: usize = 1_000;

pub(crate) struct Client {
    agent: Agent,
    base: String,
    token: String,
}

impl Client {
    pub(crate) fn connect(access: &Access) -> Result<Self> {
        let pem = fs::read(&access.ca).with_context(|| {
            format!(
                "read the cluster's authority {} (say where it is with --ca)",
                access.ca.display()
            )
        })?;
        let authority = Certificate::from_pem(&pem)
            .with_context(|| format!("{} holds no certificate", access.ca.display()))?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[authority]))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let mut client = Self {
            agent,
            base: access.url.trim_end_matches('/').to_owned(),
            token: String::new(),
        };
        client.token = match &access.token {
            Some(token) => token.clone(),
            None => client.log_in(&access.user)?,
        };
        Ok(client)
    }

    fn log_in(&self, user: &str) -> Result<String> {
        let password = env::var("CARILLON_PASSWORD").context(
            "no password: set CARILLON_PASSWORD (the first start of a cluster printed it), or give --token",
        )?;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let answer = self.insist("log in", || {
            self.agent
                .post(self.url("/0.1/token"))
                .header("Authorization", format!("Basic {basic}"))
                .send_json(json!({ "expiration": 3600 }))
        })?;
        let token = answer["data"]["token"].as_str();
        Ok(token
            .context("the answer to the login holds no token")?
            .to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        self.insist(path, || {
            let request = self.agent.get(self.url(path));
            request.header("X-Auth-Token", &self.token).call()
        })
    }

    /// All items of a list, page by page.
    pub(crate) fn items(&self, path: &str) -> Result<Vec<Value>> {
        let mut items: Vec<Value> = Vec::new();
        loop {
            let page = self.get(&format!("{path}?limit={PAGE}&offset={}", items.len()))?;
            let Value::Array(found) = page["items"].clone() else {
                bail!("the answer to {path} is no list");
            };
            let total = page["total"].as_u64().unwrap_or_default();
            let last = found.len() < PAGE;
            items.extend(found);
            if last || u64::try_from(items.len())? >= total {
                return Ok(items);
            }
        }
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.insist(path, || {
            let request = self.agent.post(self.url(path));
            request.header("X-Auth-Token", &self.token).send_json(body)
        })
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.insist(path, || {
            let request = self.agent.put(self.url(path));
            request.header("X-Auth-Token", &self.token).send_json(body)
        })
    }

    pub(crate) fn post_csv(&self, path: &str, text: &str) -> Result<Value> {
        self.insist(path, || {
            let request = self.agent.post(self.url(path));
            let request = request.header("X-Auth-Token", &self.token);
            request
                .header("Content-Type", "text/csv; charset=utf-8")
                .send(text)
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Asks again while the cluster says that it did nothing and will be able to soon: it chooses a leader, say.
    fn insist(
        &self,
        what: &str,
        ask: impl Fn() -> Result<http::Response<Body>, ureq::Error>,
    ) -> Result<Value> {
        let began = Instant::now();
        loop {
            let mut answer = ask().with_context(|| format!("{what} at {}", self.base))?;
            let status = answer.status();
            let again = retry_after(&answer).filter(|_| began.elapsed() < INSIST);
            let reader = answer.body_mut().with_config().limit(ANSWER_LIMIT_BYTES);
            let text = reader
                .read_to_string()
                .with_context(|| format!("read the answer to {what}"))?;
            let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            if status.is_success() {
                return Ok(value);
            }
            let Some(pause) = again else {
                bail!("{what}: {status}: {}", reasons(&value));
            };
            eprintln!("{what}: {}; trying again", reasons(&value));
            thread::sleep(pause);
        }
    }
}

/// When a request that was refused with nothing done is worth repeating (RFC 9110 §10.2.3, in seconds).
fn retry_after(answer: &http::Response<Body>) -> Option<Duration> {
    if answer.status() != http::StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let seconds = answer.headers().get("retry-after")?.to_str().ok()?;
    Some(Duration::from_secs(seconds.parse().ok()?).min(LONGEST_PAUSE))
}

/// What a refusal says, in either of the interface's two forms.
pub(crate) fn reasons(value: &Value) -> String {
    match value {
        Value::Array(reasons) => {
            let reasons: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
            reasons.join("; ")
        }
        Value::Object(problem) => {
            let text = |name: &str| problem.get(name).and_then(Value::as_str);
            let detail = text("detail").or_else(|| text("title"));
            let errors = problem.get("errors").and_then(Value::as_array);
            let reasons = errors.into_iter().flatten().filter_map(reason);
            let lines: Vec<String> = detail
                .map(str::to_owned)
                .into_iter()
                .chain(reasons)
                .collect();
            if lines.is_empty() {
                return "refused".to_owned();
            }
            lines.join("\n  ")
        }
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// One of several reasons: the place in a body, or the row of a table, and what is wrong there.
fn reason(error: &Value) -> Option<String> {
    if let Some(pointer) = error["pointer"].as_str() {
        return Some(format!(
            "{pointer}: {}",
            error["detail"].as_str().unwrap_or_default()
        ));
    }
    let row = error["details"]["row_number"].as_u64()?;
    Some(format!(
        "row {row}: {}",
        error["message"].as_str().unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_the_same_in_both_forms() {
        let confd = json!(["Input Error - field 'exten': outside the ranges of context 'default'"]);
        assert!(reasons(&confd).contains("exten"));
        let problem = json!({"title": "Bad request", "detail": "Two fields are wrong",
            "errors": [{"pointer": "#/role", "detail": "control or media"}]});
        assert_eq!(
            reasons(&problem),
            "Two fields are wrong\n  #/role: control or media"
        );
        let table = json!({"errors": [{"message": "Input Error - field 'exten': is taken",
            "details": {"row_number": 3, "row": {}}}]});
        assert_eq!(
            reasons(&table),
            "row 3: Input Error - field 'exten': is taken"
        );
    }
}
