//! Floating addresses on this machine's interface, and the listeners there. A thread of its own: the kernel may make who
//! changes addresses wait.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use carillon_floating::Interface;
use carillon_model::{FloatingAddress, SipListener, Transport};
use carillon_switch::{Holding, Input};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::bind::{datagram_socket, stream_listener};
use crate::config::Listen;
use crate::sockets::Sockets;
use crate::{accept, udp};

/// What the kernel is told of how long an address is to stay. The switch says every second that it is.
const VALID: Duration = Duration::from_secs(3);
/// Neighbours on a local network answer within a millisecond.
const PROBE_WAIT: Duration = Duration::from_millis(300);
/// Orders that wait; a node has as many addresses as its cluster has nodes, at most.
const ORDERS_MAX: usize = 256;
/// Answers that wait for the brain.
const ANSWERS_MAX: usize = 256;

/// The node's floating address. Off where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FloatingConfig {
    /// The address that others take over when this node goes, with the prefix of its network, as `"192.0.2.101/24"`.
    #[serde(deserialize_with = "address")]
    pub address: Option<FloatingAddress>,
    /// The interface that is in that network, as `"eth0"`.
    pub interface: Option<String>,
}

fn address<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<FloatingAddress>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

impl FloatingConfig {
    /// Every problem of this section, with the field first.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.address.is_some() != self.interface.is_some() {
            problems.push("floating.address, floating.interface: one needs the other".to_owned());
        }
        problems
    }
}

/// What a node needs to hold floating addresses.
#[derive(Debug)]
pub struct Floating {
    pub(crate) own: FloatingAddress,
    interface: Interface,
}

impl Floating {
    /// Finds the interface, and takes an address away that an earlier process left there. `None`: nothing is configured.
    pub fn open(config: &FloatingConfig) -> anyhow::Result<Option<Self>> {
        let (Some(own), Some(name)) = (config.address, &config.interface) else {
            return Ok(None);
        };
        let interface = Interface::open(name, own.address).with_context(|| {
            format!("change the addresses of {name}; this needs CAP_NET_ADMIN and CAP_NET_RAW")
        })?;
        Ok(Some(Self { own, interface }))
    }

    /// What the node tells the others.
    pub fn address(&self) -> FloatingAddress {
        self.own
    }
}

/// What the switch wants.
enum Order {
    Hold {
        holding: Holding,
        listeners: Vec<SipListener>,
        announce: bool,
        until_ms: u64,
    },
    Drop(IpAddr),
    Probe(IpAddr),
}

/// The way to the thread.
pub(crate) struct Addresses {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Addresses {
    /// Starts the thread, where there is something to hold. Its answers come out of the receiver.
    pub(crate) fn start(
        floating: Option<Floating>,
        listens: &[Listen],
        sockets: &Arc<Sockets>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Input>)> {
        let (answer, answers) = mpsc::channel(ANSWERS_MAX);
        let Some(floating) = floating else {
            let none = Self {
                orders: None,
                thread: None,
            };
            // Kept open, the receiver would wait for ever; closed, it is never asked again.
            return Ok((none, answers));
        };
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let machine = Machine {
            interface: floating.interface,
            sockets: Arc::clone(sockets),
            runtime: Handle::current(),
            listens: listens.to_vec(),
            open: BTreeMap::new(),
        };
        let thread = thread::Builder::new()
            .name("addresses".to_owned())
            .spawn(move || machine.serve(ordered, &answer))
            .context("start a thread for addresses")?;
        let started = Self {
            orders: Some(orders),
            thread: Some(thread),
        };
        Ok((started, answers))
    }

    /// Has an address held. What cannot be ordered is given back.
    pub(crate) fn hold(
        &self,
        holding: Holding,
        listeners: Vec<SipListener>,
        announce: bool,
        until_ms: u64,
    ) -> Result<(), Holding> {
        let order = Order::Hold {
            holding,
            listeners,
            announce,
            until_ms,
        };
        let sent = self.orders.as_ref().map(|orders| orders.try_send(order));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(holding),
        }
    }

    /// Has an address taken away. Where even the order does not get through, the kernel does it.
    pub(crate) fn drop_address(&self, address: IpAddr) {
        if let Some(orders) = &self.orders
            && orders.try_send(Order::Drop(address)).is_err()
        {
            tracing::error!("an order to let go of a floating address was lost");
        }
    }

    /// Has the neighbours asked. An order that is lost is as good as no answer.
    pub(crate) fn probe(&self, address: IpAddr) {
        if let Some(orders) = &self.orders {
            let _ = orders.try_send(Order::Probe(address));
        }
    }

    /// Takes all addresses away, and waits for that.
    pub(crate) async fn stop(mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join());
            let _ = joined.await;
        }
    }
}

/// What the thread works with.
struct Machine {
    interface: Interface,
    sockets: Arc<Sockets>,
    runtime: Handle,
    /// What this node has open at its own addresses.
    listens: Vec<Listen>,
    /// Who serves the listeners of the addresses that this machine has.
    open: BTreeMap<IpAddr, JoinSet<()>>,
}

impl Machine {
    fn serve(mut self, mut orders: mpsc::Receiver<Order>, answers: &mpsc::Sender<Input>) {
        while let Some(order) = orders.blocking_recv() {
            let answer = match order {
                Order::Hold {
                    holding,
                    listeners,
                    announce,
                    until_ms,
                } => self.hold(holding, &listeners, announce, until_ms),
                Order::Drop(address) => Some(self.take_away(address)),
                Order::Probe(address) => Some(self.probe(address)),
            };
            if let Some(answer) = answer
                && answers.blocking_send(answer).is_err()
            {
                break;
            }
        }
        for address in self.open.keys().copied().collect::<Vec<_>>() {
            self.take_away(address);
        }
    }

    fn hold(
        &mut self,
        holding: Holding,
        listeners: &[SipListener],
        announce: bool,
        until_ms: u64,
    ) -> Option<Input> {
        // The process may have been stopped since: by now another node may have the address.
        if self.sockets.clock.now_ms() >= until_ms {
            return None;
        }
        Some(match self.raise(holding.address, listeners, announce) {
            Ok(()) => Input::AddressHeld(holding),
            Err(error) => {
                tracing::error!(
                    home = %holding.home,
                    interface = self.interface.name(),
                    "the floating address cannot be held here: {error:#}"
                );
                Input::AddressFailed(holding)
            }
        })
    }

    fn raise(
        &mut self,
        address: IpAddr,
        listeners: &[SipListener],
        announce: bool,
    ) -> anyhow::Result<()> {
        self.interface
            .add(address, VALID)
            .context("add the address")?;
        if !self.open.contains_key(&address) {
            let served = self.listen(listeners)?;
            self.open.insert(address, served);
        }
        if announce {
            self.interface
                .announce(address)
                .context("tell the neighbours")?;
        }
        Ok(())
    }

    /// Opens what the home of the address has open there. A stream listener of this node that is bound to all addresses
    /// serves this one too.
    fn listen(&self, listeners: &[SipListener]) -> anyhow::Result<JoinSet<()>> {
        let _inside = self.runtime.enter();
        let mut served = JoinSet::new();
        let mut datagrams = Vec::new();
        for SipListener { transport, address } in listeners.iter().copied() {
            let attempt = || format!("listen for SIP on {transport}:{address}");
            match transport {
                Transport::Udp => {
                    let socket = datagram_socket(address, false, true).with_context(attempt)?;
                    let socket = Arc::new(socket);
                    datagrams.push((address, Arc::clone(&socket)));
                    served.spawn_on(
                        udp::receive(Arc::clone(&self.sockets), socket, address),
                        &self.runtime,
                    );
                }
                Transport::Tcp | Transport::Tls => {
                    if self.is_bound_to_all(transport, address.port()) {
                        continue;
                    }
                    let socket = stream_listener(address).with_context(attempt)?;
                    let accept =
                        accept::accept(Arc::clone(&self.sockets), socket, transport, address);
                    served.spawn_on(accept, &self.runtime);
                }
            }
        }
        self.sockets.open_at(datagrams);
        Ok(served)
    }

    /// Who cannot be asked may be there.
    fn probe(&self, address: IpAddr) -> Input {
        let taken = self.interface.is_taken(address, PROBE_WAIT);
        let taken = taken.unwrap_or_else(|error| {
            tracing::debug!(%error, "the neighbours cannot be asked");
            true
        });
        Input::AddressProbed { address, taken }
    }

    fn is_bound_to_all(&self, transport: Transport, port: u16) -> bool {
        self.listens.iter().any(|listen| {
            let everywhere = listen.address.ip().is_unspecified();
            everywhere && listen.transport == transport && listen.address.port() == port
        })
    }

    fn take_away(&mut self, address: IpAddr) -> Input {
        self.sockets.close_at(address);
        self.open.remove(&address);
        if let Err(error) = self.interface.remove(address) {
            // It goes by itself when its time is over, since nothing renews it.
            tracing::error!(%error, "a floating address stays for a while");
        }
        Input::AddressDropped(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_an_interface_is_a_problem() {
        assert!(FloatingConfig::default().problems().is_empty());
        let half = FloatingConfig {
            address: Some("192.0.2.101/24".parse().unwrap()),
            interface: None,
        };
        assert_eq!(half.problems().len(), 1);
    }
}
