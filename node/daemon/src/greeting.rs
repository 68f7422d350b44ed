//! What a person who started a node reads first.

use crate::bootstrap::ADMINISTRATOR;
use crate::config::{Config, Role};
use crate::ports::Ports;

/// Tells where everything is; on a cluster's first start also the password, and what to do next.
pub(crate) fn greet(config: &Config, ports: &Ports, password: Option<&str>) {
    if !config.has(Role::Control) {
        return;
    }
    let api = ports
        .api
        .map(|address| format!("https://{address}"))
        .unwrap_or_default();
    let Some(password) = password else {
        println!("{} is up: {api}", config.name);
        return;
    };
    let ca = config.data.join("ca.pem");
    println!(
        "A new PBX is up, with its data in {}.",
        config.data.display()
    );
    println!();
    println!("administrator: {ADMINISTRATOR}");
    println!("administrator password: {password}    (shown this once)");
    println!(
        "REST interface: {api}    (certificate authority: {})",
        ca.display()
    );
    for listener in &ports.sip {
        println!("SIP over {}: {}", listener.transport, listener.address);
    }
    println!();
    println!("Next, in another terminal:");
    println!(
        "  export CARILLON_URL={api} CARILLON_CA={} CARILLON_USER={ADMINISTRATOR} CARILLON_PASSWORD={password}",
        ca.display()
    );
    println!("  carillon ctl status");
    println!("  carillon ctl apply -f company.yaml      # users, lines, numbers");
    println!(
        "  carillon ctl token control              # lets one more node join: carillon node --join TOKEN"
    );
}
