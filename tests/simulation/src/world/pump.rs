//! Does everything that is due.

use std::net::SocketAddr;

use bytes::Bytes;
use carillon_model::{Flow, Transport};
use carillon_switch::{Input, Switch};

use super::{Datagram, World};
use crate::clock;
use crate::common::Letter;
use crate::network::Host;
use crate::node::SIP_PORT;
use crate::phone::{Output, Phone};

/// A part that says "now" again and again is asked again only after this.
const PATIENCE_US: u64 = 1_000;

impl World {
    /// Does what is due until nothing is.
    pub(crate) fn pump(&mut self) {
        loop {
            let letters = self.open_letters();
            let datagrams = self.deliver_datagrams();
            let streams = self.deliver_streams();
            if !(letters || datagrams || streams) {
                break;
            }
        }
        self.fire_timers();
        self.open_letters();
    }

    /// When something is due next.
    pub(super) fn next_us(&self) -> Option<u64> {
        let now_us = clock::now_us();
        let datagram_us = self.air.keys().next().map(|(at_us, _)| *at_us);
        let phones = self.phones.iter().filter_map(Phone::next_us);
        let media = self.media.iter().filter_map(|server| server.next_us());
        let running = self.nodes.iter().filter(|node| node.is_running());
        let lives = running.filter_map(|node| node.life.as_ref());
        let nodes = lives.flat_map(|life| {
            let switch = life.switch.as_ref().and_then(Switch::poll_timeout);
            [switch.map(clock::us_of), Some(life.next_tick_us)]
        });
        let timers = phones.chain(media).chain(nodes.flatten());
        let timer_us = timers.min().map(|at_us| at_us.max(now_us + PATIENCE_US));
        [datagram_us, self.next_stream_us(), timer_us]
            .into_iter()
            .flatten()
            .min()
    }

    fn open_letters(&mut self) -> bool {
        let mut any = false;
        while let Some(letter) = self.commons.next_letter() {
            any = true;
            self.open(letter);
        }
        any
    }

    pub(super) fn open(&mut self, letter: Letter) {
        let to = match &letter {
            Letter::Started { node, .. }
            | Letter::Changed { node, .. }
            | Letter::Proposed { node, .. } => Some(*node),
            Letter::Written { .. } | Letter::Read { .. } => None,
        };
        if let Some(stopped) = to.and_then(|node| self.node(node).stopped()) {
            return stopped.letters.push(letter);
        }
        match letter {
            Letter::Started { node, life } if self.is_alive(node, life) => self.serve(node),
            Letter::Changed { node, life, change } if self.is_alive(node, life) => {
                self.changed(node, change);
            }
            Letter::Proposed {
                node,
                life,
                proposal,
                outcome,
            } if self.is_alive(node, life) => self.proposed(node, proposal, outcome),
            Letter::Started { .. } | Letter::Changed { .. } | Letter::Proposed { .. } => {}
            Letter::Written { write, outcome } => self.written(write, outcome),
            Letter::Read { node, users, state } => self.oracle.read(node, &users, &state),
        }
    }

    fn is_alive(&self, node: u8, life: u64) -> bool {
        let present = self.nodes[usize::from(node) - 1].life.as_ref();
        present.is_some_and(|present| present.number == life)
    }

    /// Hands a datagram to the network.
    pub(crate) fn datagram(&mut self, from: SocketAddr, to: SocketAddr, octets: Bytes) {
        let (Some(sender), Some(receiver)) =
            (self.machines.host_of(from), self.machines.host_of(to))
        else {
            return;
        };
        let now_us = clock::now_us();
        let delays = {
            let mut common = self.commons.lock();
            let delays = common.network.datagram(sender, receiver);
            match (first_line(to, &octets), delays.first()) {
                (Some(line), Some(delay_us)) => common.show(format_args!(
                    "{sender} -> {receiver} {line} (in {delay_us} us, {} copies)",
                    delays.len()
                )),
                (Some(line), None) => {
                    common.show(format_args!("{sender} -> {receiver} {line} (lost)"));
                }
                (None, _) => common.note(format_args!("{from} {to} {}", delays.len())),
            }
            common.trace.octets(&octets);
            delays
        };
        for delay_us in delays {
            self.sent += 1;
            let octets = octets.clone();
            let datagram = Datagram { from, to, octets };
            self.air.insert((now_us + delay_us, self.sent), datagram);
        }
    }

    fn deliver_datagrams(&mut self) -> bool {
        let now_us = clock::now_us();
        let mut any = false;
        while let Some(entry) = self.air.first_entry()
            && entry.key().0 <= now_us
        {
            any = true;
            let datagram = entry.remove();
            self.deliver(datagram);
        }
        any
    }

    pub(super) fn deliver(&mut self, datagram: Datagram) {
        let to = self.machines.host_of(datagram.to);
        if let Some(Host::Node(node)) = to
            && let Some(stopped) = self.node(node).stopped()
        {
            return Self::keep_datagram(stopped, datagram);
        }
        let Datagram {
            from,
            to: own,
            octets,
        } = datagram;
        match to {
            Some(Host::Node(node)) if own.port() == SIP_PORT => {
                let flow = Flow {
                    node: self.node(node).id(),
                    transport: Transport::Udp,
                    local: own,
                    peer: from,
                    connection: 0,
                };
                let bytes = octets;
                self.input(node, Input::Received { flow, bytes });
            }
            Some(Host::Media(server)) => self.relay(server, from, own, &octets),
            Some(Host::Phone(phone)) => {
                self.phone(phone).receive(from, own, &octets);
                self.collect(phone);
            }
            Some(Host::Carrier) => {
                let answer = self.carrier.hear(clock::now_us(), Host::of(from), &octets);
                if let Some(answer) = answer {
                    self.datagram(own, from, answer);
                }
            }
            Some(Host::Node(_)) | None => {}
        }
    }

    fn relay(&mut self, server: u8, from: SocketAddr, to: SocketAddr, octets: &Bytes) {
        let copies = self
            .media_server(server)
            .relay(clock::now_us(), from, to, octets);
        for (own, target) in copies {
            self.datagram(own, target, octets.clone());
        }
        self.replies_of(server);
    }

    /// Does what a phone wants done.
    pub(crate) fn collect(&mut self, phone: u8) {
        while let Some(output) = self.phone(phone).poll_output() {
            match output {
                Output::Send { from, to, octets } => self.datagram(from, to, octets),
                Output::Told(told) => {
                    let mut common = self.commons.lock();
                    common.show(format_args!("phone{phone} is told {told:?}"));
                    drop(common);
                    self.oracle.told(phone, told);
                }
            }
        }
    }

    fn fire_timers(&mut self) {
        let now_us = clock::now_us();
        for place in 0..self.phones.len() {
            if self.phones[place]
                .next_us()
                .is_some_and(|at_us| at_us <= now_us)
            {
                self.phones[place].fire();
            }
            let number = self.phones[place].number;
            self.collect(number);
        }
        for place in 0..self.media.len() {
            if self.media[place]
                .next_us()
                .is_some_and(|at_us| at_us <= now_us)
            {
                self.media[place].fire(now_us);
            }
            let number = u8::try_from(place + 1).expect("few media servers");
            self.replies_of(number);
        }
        for place in 0..self.nodes.len() {
            let number = self.nodes[place].number;
            self.node_due(number, now_us);
        }
    }

    fn node_due(&mut self, node: u8, now_us: u64) {
        if !self.node(node).is_running() {
            return;
        }
        let Some(life) = &mut self.node(node).life else {
            return;
        };
        let ticks = life.next_tick_us <= now_us;
        let due = life.switch.as_ref().and_then(Switch::poll_timeout);
        if due.is_some_and(|at_ms| at_ms <= clock::now_ms()) {
            if let Some(switch) = &mut life.switch {
                switch.handle_timeout(clock::now_ms());
            }
            self.execute(node);
        }
        if ticks {
            self.look_around(node, now_us);
        }
    }
}

/// What a SIP message is, for the reader of a trace; nothing for a packet of voice.
fn first_line(to: SocketAddr, octets: &[u8]) -> Option<String> {
    let from_sip = octets.first().is_some_and(u8::is_ascii_uppercase);
    if !from_sip || to.port() != SIP_PORT {
        return None;
    }
    let text = String::from_utf8_lossy(octets);
    let line = text.lines().next()?.to_owned();
    let cseq = text.lines().find(|line| line.starts_with("CSeq"));
    Some(format!("{line} [{}]", cseq.unwrap_or_default()))
}
