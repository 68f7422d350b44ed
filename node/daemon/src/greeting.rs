//! What a person who started a node reads first.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::bootstrap::ADMINISTRATOR;
use crate::config::{Config, Role};
use crate::ports::Ports;

/// Tells where everything is; on a cluster's first start also the password, and what to do next.
pub(crate) fn greet(config: &Config, ports: &Ports, password: Option<&str>) {
    if config.has(Role::Control) {
        say(&text(config, ports, password));
    }
}

/// Writes to standard output. Whoever read it may be gone (`carillon node | head`); the node serves on.
pub(crate) fn say(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::warn!(%error, "nobody reads standard output");
    }
}

fn text(config: &Config, ports: &Ports, password: Option<&str>) -> String {
    let api = ports
        .api
        .map(|address| format!("https://{address}"))
        .unwrap_or_default();
    let Some(password) = password else {
        return format!("{} is up: {api}\n", config.name);
    };
    let ca = config.data.join("ca.pem");
    let ca = ca.display();
    let mut listeners = String::new();
    for listener in &ports.sip {
        let _ = writeln!(
            listeners,
            "SIP over {}: {}",
            listener.transport, listener.address
        );
    }
    format!(
        "\
A new PBX is up, with its data in {data}.

administrator: {ADMINISTRATOR}
administrator password: {password}    (shown this once)
REST interface: {api}    (certificate authority: {ca})
{listeners}
Next, in another terminal:
  export CARILLON_URL={api} CARILLON_CA={ca} CARILLON_USER={ADMINISTRATOR} CARILLON_PASSWORD={password}
  carillon ctl status
  carillon ctl apply -f company.yaml      # users, lines, numbers
  carillon ctl token control              # lets one more node join: carillon node --join TOKEN
",
        data = config.data.display()
    )
}
