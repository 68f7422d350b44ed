//! The REST interface as a script would use it.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use rustls::ClientConfig;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::eventually;
use crate::http::{self, Answer};
use crate::phone::Account;

/// A cluster that has lost its leader has another by then, on a busy machine too.
const LEADER_WITHIN: Duration = Duration::from_secs(10);
/// Where the lines of a test company live.
const CONTEXT: &str = "default";

/// A client with a token, towards one node.
#[derive(Debug, Clone)]
pub struct Api {
    config: Arc<ClientConfig>,
    server: SocketAddr,
    token: String,
}

impl Api {
    /// Logs in.
    pub fn login(base: &str, authority: &Path, user: &str, password: &str) -> Result<Self> {
        let server = base
            .strip_prefix("https://")
            .context("the interface is served over HTTPS")?;
        let mut api = Self {
            config: http::tls(authority)?,
            server: server
                .trim_end_matches('/')
                .parse()
                .with_context(|| format!("understand {base}"))?,
            token: String::new(),
        };
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let head = format!(
            "POST /0.1/token HTTP/1.1\r\nAuthorization: Basic {basic}\r\nContent-Type: application/json\r\n"
        );
        let answer =
            insist(|| http::exchange(&api.config, api.server, &head, b"{\"expiration\": 7200}"))?;
        let answer = expect(answer, "token", &[200])?;
        let token = answer["data"]["token"]
            .as_str()
            .context("a token in the answer")?;
        token.clone_into(&mut api.token);
        Ok(api)
    }

    /// Any request; the answer whatever its status.
    pub fn ask(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Result<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nX-Auth-Token: {}\r\nAccept: application/json\r\nContent-Type: {content_type}\r\n",
            self.token
        );
        http::exchange(&self.config, self.server, &head, body)
            .with_context(|| format!("{method} {path}"))
    }

    /// What lies there.
    pub fn get(&self, path: &str) -> Result<Value> {
        expect(
            self.ask("GET", path, "application/json", b"")?,
            path,
            &[200],
        )
    }

    /// A text that lies there, such as CSV.
    pub fn get_text(&self, path: &str, accept: &str) -> Result<String> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nX-Auth-Token: {}\r\nAccept: {accept}\r\n",
            self.token
        );
        let answer = http::exchange(&self.config, self.server, &head, b"")?;
        if answer.status != 200 {
            bail!(
                "GET {path}: {}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        String::from_utf8(answer.body).context("the answer is text")
    }

    /// Makes something.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let body = serde_json::to_vec(body)?;
        let answer = insist(|| self.ask("POST", path, "application/json", &body))?;
        expect(answer, path, &[200, 201, 204])
    }

    /// Links or changes something.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value> {
        let body = serde_json::to_vec(body)?;
        let answer = insist(|| self.ask("PUT", path, "application/json", &body))?;
        expect(answer, path, &[200, 204])
    }

    /// Removes something.
    pub fn delete(&self, path: &str) -> Result<()> {
        let answer = insist(|| self.ask("DELETE", path, "application/json", b""))?;
        expect(answer, path, &[204]).map(|_| ())
    }

    /// Lets the context of the company's lines hold these numbers too.
    fn open_range(&self, first: u32, last: u32) -> Result<()> {
        let contexts = self.get("/1.1/contexts")?;
        let mut known = contexts["items"].as_array().into_iter().flatten();
        let context = known.find(|context| context["name"] == CONTEXT);
        let context =
            context.with_context(|| format!("a cluster begins with the context {CONTEXT}"))?;
        let mut ranges = context["user_ranges"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let number = |value: &Value| value.as_str().and_then(|text| text.parse::<u32>().ok());
        let holds = |range: &Value| {
            number(&range["start"]) <= Some(first) && Some(last) <= number(&range["end"])
        };
        if !ranges.iter().any(holds) {
            ranges.push(serde_json::json!({"start": first.to_string(), "end": last.to_string()}));
            let change = serde_json::json!({"user_ranges": ranges});
            self.put(&format!("/1.1/contexts/{}", context["id"]), &change)?;
        }
        Ok(())
    }

    /// Makes a user with a line for each of these accounts.
    pub fn found_company(&self, accounts: &[Account]) -> Result<()> {
        let numbers: Vec<u32> = accounts
            .iter()
            .map(|account| account.number.parse())
            .collect::<Result<_, _>>()?;
        let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) else {
            return Ok(());
        };
        self.open_range(*first, *last)?;
        let mut table =
            "firstname,lastname,language,exten,context,line_protocol,sip_username,sip_secret\n"
                .to_owned();
        for Account {
            number,
            username,
            password,
            ..
        } in accounts
        {
            table.push_str(&format!(
                "Phone,{number},en_US,{number},{CONTEXT},sip,{username},{password}\n"
            ));
        }
        let path = "/1.1/users/import";
        let answer =
            insist(|| self.ask("POST", path, "text/csv; charset=utf-8", table.as_bytes()))?;
        let answer = expect(answer, "users/import", &[200, 201])?;
        let created = answer["created"].as_array().map_or(0, Vec::len);
        if created != accounts.len() {
            bail!(
                "{created} of {} users were imported: {answer}",
                accounts.len()
            );
        }
        Ok(())
    }
}

/// Asks again while the cluster says that it did nothing: it may be choosing a leader.
fn insist(mut ask: impl FnMut() -> Result<Answer>) -> Result<Answer> {
    let mut refused = None;
    let answered = eventually("the cluster takes it", LEADER_WITHIN, || {
        Ok(match ask() {
            Ok(answer) if answer.status == 503 => {
                refused = Some(answer);
                None
            }
            said => Some(said),
        })
    });
    match (answered, refused) {
        (Ok(said), _) => said,
        (Err(_), Some(refusal)) => Ok(refusal),
        (Err(error), None) => Err(error),
    }
}

fn expect(answer: Answer, what: &str, wanted: &[u16]) -> Result<Value> {
    if !wanted.contains(&answer.status) {
        bail!(
            "{what}: {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.body).with_context(|| format!("{what}: the answer is JSON"))
}
