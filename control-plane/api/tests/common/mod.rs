//! A cluster of one state in memory, served over real HTTPS, and a client that speaks to it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use carillon_api::{
    ClusterStatus, Config, Identity, JoinRole, JoinToken, PeerStatus, Plane, PlaneError, Server,
    hash_password,
};
use carillon_model::{
    Administrator, CallRecord, Command, HistoryRow, Initialise, NodeId, Outcome, Stamp, State,
};
use carillon_telemetry::Metrics;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, http};

pub const ADMIN: &str = "admin";
pub const PASSWORD: &str = "correct horse battery";

pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
}

/// The state behind a lock, commands applied at once.
pub struct MemoryPlane {
    state: Mutex<Arc<State>>,
    records: Mutex<Vec<CallRecord>>,
    quorum: AtomicBool,
}

impl MemoryPlane {
    fn new() -> Self {
        let plane = Self {
            state: Mutex::default(),
            records: Mutex::default(),
            quorum: AtomicBool::new(true),
        };
        let administrator = Administrator {
            username: ADMIN.to_owned(),
            password_hash: hash_password(PASSWORD).unwrap(),
            ..Administrator::default()
        };
        let initialise = Initialise {
            administrator,
            nonce_key: [7; 32],
            realm: "carillon".to_owned(),
        };
        assert_eq!(
            plane.apply(&Command::Initialise(Box::new(initialise))),
            Outcome::Done
        );
        plane
    }

    pub fn apply(&self, command: &Command) -> Outcome {
        let mut state = self.state.lock().unwrap();
        let mut next = (**state).clone();
        let at = Stamp {
            index: next.applied() + 1,
            now_ms: now_ms(),
        };
        let applied = next.apply(at, command);
        let rows = applied
            .history
            .iter()
            .map(|row| HistoryRow::read_call_record(&row.value).unwrap());
        self.records.lock().unwrap().extend(rows);
        *state = Arc::new(next);
        applied.outcome
    }

    pub fn lose_quorum(&self) {
        self.quorum.store(false, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), PlaneError> {
        if self.quorum.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err(PlaneError::NoQuorum)
        }
    }
}

impl Plane for MemoryPlane {
    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.lock().unwrap())
    }

    fn propose(&self, command: Command) -> BoxFuture<'_, Result<Outcome, PlaneError>> {
        ready(self.check().map(|()| self.apply(&command))).boxed()
    }

    fn linearizable(&self) -> BoxFuture<'_, Result<(), PlaneError>> {
        ready(self.check()).boxed()
    }

    fn call_records(
        &self,
        from_ms: u64,
        to_ms: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<CallRecord>, PlaneError>> {
        let mut records = self.records.lock().unwrap().clone();
        records.retain(|record| (from_ms..to_ms).contains(&record.started_at_ms));
        records.sort_by_key(|record| std::cmp::Reverse(record.started_at_ms));
        records.truncate(limit);
        ready(Ok(records)).boxed()
    }

    fn status(&self) -> ClusterStatus {
        let quorum = self.quorum.load(Ordering::SeqCst);
        let peer = |id, name: &str| PeerStatus {
            node: NodeId(id),
            name: name.to_owned(),
            address: ([127, 0, 1, id as u8], 7400).into(),
            voter: true,
            matched_index: Some(self.state().applied()),
            answered_ms_ago: Some(12),
        };
        ClusterStatus {
            cluster: "test".to_owned(),
            node: NodeId(1),
            role: "leader".to_owned(),
            leader: Some(NodeId(1)),
            term: 3,
            applied_index: self.state().applied(),
            quorum,
            peers: vec![peer(1, "control-1"), peer(2, "control-2")],
            ..ClusterStatus::default()
        }
    }

    fn join_token(
        &self,
        role: JoinRole,
        lifetime_s: u32,
    ) -> BoxFuture<'_, Result<JoinToken, PlaneError>> {
        let token = match role {
            JoinRole::Control => "join-as-control",
            JoinRole::Media => "join-as-media",
        };
        let expires_at_ms = now_ms() + u64::from(lifetime_s) * 1000;
        ready(self.check().map(|()| JoinToken {
            token: token.to_owned(),
            expires_at_ms,
        }))
        .boxed()
    }

    fn remove_node(&self, node: NodeId) -> BoxFuture<'_, Result<(), PlaneError>> {
        let outcome = match node {
            NodeId(1) => Err(PlaneError::Refused(
                "the leader cannot remove itself".to_owned(),
            )),
            _ => Ok(()),
        };
        ready(outcome).boxed()
    }
}

/// What the server said.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Answer {
    fn of(mut response: http::Response<Body>) -> Self {
        let text = response.body_mut().read_to_string().unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text,
            json,
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

/// A cluster and a client with a token.
pub struct World {
    pub plane: Arc<MemoryPlane>,
    pub address: SocketAddr,
    pub agent: Agent,
    pub token: String,
    pub metrics: Metrics,
    pub certificate_pem: Vec<u8>,
    server: Option<Server>,
    runtime: Runtime,
}

impl World {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let plane = Arc::new(MemoryPlane::new());
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let identity = Identity {
            chain_pem: certified.cert.pem().into_bytes(),
            key_pem: certified.signing_key.serialize_pem().into_bytes(),
        };
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            ..Config::default()
        };
        let metrics = Metrics::new();
        let served: Arc<dyn Plane> = plane.clone();
        let server = runtime
            .block_on(Server::start(&config, served, &identity, metrics.clone()))
            .unwrap();
        let root = Certificate::from_pem(&identity.chain_pem).unwrap();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[root]))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .new_agent();
        let address = server.local_addr();
        let mut world = Self {
            plane,
            address,
            agent,
            token: String::new(),
            metrics,
            certificate_pem: identity.chain_pem,
            server: Some(server),
            runtime,
        };
        world.token = world.log_in(ADMIN, PASSWORD).expect(200).json["data"]["token"]
            .as_str()
            .unwrap()
            .to_owned();
        world
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub fn log_in(&self, user: &str, password: &str) -> Answer {
        let answer = self
            .agent
            .post(self.url("/0.1/token"))
            .header("Authorization", basic(user, password))
            .send_empty();
        Answer::of(answer.unwrap())
    }

    /// Any request with these headers and this body.
    pub fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        self.attempt(method, path, headers, body).unwrap()
    }

    /// As `raw`, where the connection may end before the answer.
    pub fn attempt(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        response.map(Answer::of)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.raw("GET", path, &[("X-Auth-Token", &self.token)], None)
    }

    pub fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.raw(
            "GET",
            path,
            &[("X-Auth-Token", &self.token), ("Accept", accept)],
            None,
        )
    }

    pub fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [
            ("X-Auth-Token", self.token.as_str()),
            ("Content-Type", "application/json"),
        ];
        self.raw(method, path, &headers, Some(body.to_string().as_bytes()))
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body)
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, body)
    }

    /// An association: no body and no content type.
    pub fn link(&self, path: &str) -> Answer {
        self.raw("PUT", path, &[("X-Auth-Token", &self.token)], Some(b""))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.raw("DELETE", path, &[("X-Auth-Token", &self.token)], None)
    }

    pub fn send_csv(&self, method: &str, path: &str, table: &str) -> Answer {
        let headers = [
            ("X-Auth-Token", self.token.as_str()),
            ("Content-Type", "text/csv; charset=utf-8"),
        ];
        self.raw(method, path, &headers, Some(table.as_bytes()))
    }

    /// The context `default` with users 1000 to 1999.
    pub fn with_default_context(self) -> Self {
        let ranges = json!([{"start": "1000", "end": "1999"}]);
        self.post(
            "/1.1/contexts",
            &json!({"name": "default", "label": "Default", "user_ranges": ranges}),
        )
        .expect(201);
        self
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

pub fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {text}")
}
