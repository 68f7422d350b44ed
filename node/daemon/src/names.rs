//! The name server of a control node: who lives, by what this node knows.

use carillon_cluster::Cluster;
use carillon_model::{NodeId, NodeState, State, node_resource};
use carillon_names::{Host, Server, Zone};
use carillon_signalling::Clock;
use carillon_telephony::Telephony;

use crate::config::Config;
use crate::ports::Ports;

const DNS_PORT: u16 = 53;

/// Starts it, if the node has a domain to answer for.
pub(crate) async fn serve(
    config: &Config,
    cluster: &Cluster<Telephony>,
    clock: Clock,
    ports: &mut Ports,
) -> anyhow::Result<Option<Server>> {
    let Some(domain) = &config.dns.domain else {
        return Ok(None);
    };
    let own = ports.sip.first().map(|listener| listener.address.ip());
    let own = own.unwrap_or_else(|| [0, 0, 0, 0].into());
    let listen = config.dns.listen.unwrap_or_else(|| (own, DNS_PORT).into());
    let cluster = cluster.clone();
    let node = NodeId(cluster.node().0);
    let hosts = move || hosts(&cluster.state(), node, clock.now_ms());
    let server = Server::start(listen, Zone::new(domain)?, hosts).await?;
    ports.dns = Some(server.local_addr());
    Ok(Some(server))
}

/// All control nodes. A node lives while its lease holds; this one lives, or it would not answer.
fn hosts(state: &State, own: NodeId, now_ms: u64) -> Vec<Host> {
    let known = state
        .nodes()
        .iter()
        .filter(|(_, node)| node.state != NodeState::Left);
    let mut hosts: Vec<Host> = known
        .map(|(id, node)| {
            let lease = state.leases().get(&node_resource(*id));
            let holds = lease.is_some_and(|lease| !lease.has_lapsed(now_ms));
            Host {
                name: node.name.clone(),
                sip: node.sip.clone(),
                live: node.state == NodeState::Active && (*id == own || holds),
            }
        })
        .collect();
    // A node that drains is better than none.
    if !hosts.iter().any(|host| host.live)
        && let Some(myself) = state.nodes().get(&own)
        && let Some(host) = hosts.iter_mut().find(|host| host.name == myself.name)
    {
        host.live = true;
    }
    hosts
}
