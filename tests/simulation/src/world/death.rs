//! Processes that end, and processes that stop and go on.

use carillon_switch::Input;

use super::World;
use crate::clock;
use crate::media::IDLE_LIMIT_US;
use crate::network::Host;
use crate::node::{Death, Stopped, sip_address};

/// Datagrams that wait in a socket that nobody reads.
const SOCKET_DATAGRAMS: usize = 200;

impl World {
    /// Ends a node's process, if it lives.
    pub(crate) fn die(&mut self, node: u8, death: Death) {
        let commons = self.commons.clone();
        let Some(life) = self.node(node).die(death, &commons) else {
            return;
        };
        let home = sip_address(node);
        let phones = &self.phones;
        let registers_there = |phone: u8| phones[usize::from(phone) - 1].home == home;
        self.oracle.died(registers_there);
        for (number, link) in life.media {
            if let Some(stream) = link.stream {
                self.media_server(number)
                    .deserted(clock::now_us(), stream.peer);
            }
        }
        for (_, lane) in self.peers.range_mut((node, 0)..=(node, u8::MAX)) {
            lane.clear();
        }
    }

    /// Ends a media server's process.
    pub(crate) fn kill_media(&mut self, server: u8) {
        {
            let mut common = self.commons.lock();
            common.show(format_args!("{} dies", Host::Media(server)));
        }
        self.media_server(server).die();
    }

    /// Starts a media server's process, if it is off.
    pub(crate) fn start_media(&mut self, server: u8) {
        let first = self.dice.within(0..500);
        self.media_server(server)
            .start(usize::try_from(first).unwrap_or(0));
    }

    /// Stops a node's process where it stands (SIGSTOP).
    pub(crate) fn stop(&mut self, node: u8) {
        let since_us = clock::now_us();
        let Some(life) = &mut self.node(node).life else {
            return;
        };
        if life.stopped.is_some() {
            return;
        }
        life.gate.shut();
        self.machines.asleep.insert(node);
        let Some(life) = &mut self.node(node).life else {
            return;
        };
        life.stopped = Some(Stopped {
            since_us,
            letters: Vec::new(),
            socket: Vec::new(),
        });
        let streams = life.media.iter().filter_map(|(server, link)| {
            let stream = link.stream.as_ref()?;
            Some((*server, stream.peer))
        });
        for (server, peer) in streams.collect::<Vec<_>>() {
            self.media_server(server).deserted(since_us, peer);
        }
        let mut common = self.commons.lock();
        common.show(format_args!("{} stops", Host::Node(node)));
    }

    /// Lets a stopped process go on (SIGCONT). What came meanwhile waits for it, in one order or the other.
    pub(crate) fn resume(&mut self, node: u8) {
        let Some(life) = &mut self.node(node).life else {
            return;
        };
        let Some(stopped) = life.stopped.take() else {
            return;
        };
        life.gate.open();
        {
            let mut common = self.commons.lock();
            common.show(format_args!("{} goes on", Host::Node(node)));
        }
        let broken = clock::now_us() - stopped.since_us >= IDLE_LIMIT_US;
        self.find_streams_again(node, broken);
        let Stopped {
            since_us: _,
            letters,
            socket,
        } = stopped;
        let datagrams_first = self.dice.chance(500);
        if datagrams_first {
            for datagram in socket {
                self.deliver(datagram);
            }
            letters.into_iter().for_each(|letter| self.open(letter));
        } else {
            letters.into_iter().for_each(|letter| self.open(letter));
            for datagram in socket {
                self.deliver(datagram);
            }
        }
    }

    /// Streams to media servers of a process that was stopped: there still, or broken meanwhile.
    fn find_streams_again(&mut self, node: u8, broken: bool) {
        let now_us = clock::now_us();
        let Some(life) = &mut self.node(node).life else {
            return;
        };
        let mut lost = Vec::new();
        let mut kept = Vec::new();
        for (server, link) in &mut life.media {
            let Some(stream) = &link.stream else {
                continue;
            };
            if broken {
                lost.push(link.id);
                link.stream = None;
                link.try_later(now_us);
            } else {
                kept.push((*server, stream.peer));
            }
        }
        for (server, peer) in kept {
            self.media_server(server).returned(peer);
        }
        for id in lost {
            self.input(node, Input::MediaServerDown(id));
        }
    }

    /// Keeps a datagram for a process that is stopped.
    pub(super) fn keep_datagram(stopped: &mut Stopped, datagram: super::Datagram) {
        if stopped.socket.len() < SOCKET_DATAGRAMS {
            stopped.socket.push(datagram);
        }
    }
}
