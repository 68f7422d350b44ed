//! Streams inside the cluster: between shells, and from control nodes to media servers.

use carillon_model::MediaServerId;
use carillon_protocol::Request;
use carillon_session::{Audience, Peer};
use carillon_switch::Input;

use super::World;
use crate::clock;
use crate::media::{IDLE_LIMIT_US, MediaLink, SILENCE_LIMIT_US, Stream};
use crate::network::Host;

impl World {
    /// Connects to media servers that are new, again to those that were lost, and leaves those that are silent.
    pub(super) fn follow_media(&mut self, node: u8, now_us: u64) {
        let Some(state) = self.state(node) else {
            return;
        };
        let known = state.media_servers().values();
        let known = known.filter_map(|server| match Host::of(server.control)? {
            Host::Media(number) => Some((number, server.id)),
            Host::Node(_) | Host::Phone(_) | Host::Carrier => None,
        });
        for (number, id) in known.collect::<Vec<_>>() {
            self.keep_link(node, number, id, now_us);
        }
    }

    fn keep_link(&mut self, node: u8, number: u8, id: MediaServerId, now_us: u64) {
        let apart = {
            let common = self.commons.lock();
            common
                .network
                .are_apart(Host::Node(node), Host::Media(number))
        };
        let next_peer = Peer(self.streams_opened + 1);
        let instance = self.media_server(number).instance;
        let Some(life) = &mut self.node(node).life else {
            return;
        };
        let links = &mut life.media;
        let link = links
            .entry(number)
            .or_insert_with(|| MediaLink::new(now_us, id));
        match &mut link.stream {
            None if link.retry_at_us > now_us => {}
            None if apart => link.try_later(now_us),
            None => match instance {
                None => link.try_later(now_us),
                Some(instance) => {
                    link.connected(next_peer, instance);
                    self.streams_opened += 1;
                    self.input(node, Input::MediaServerUp(id));
                }
            },
            Some(stream) if !apart && instance == Some(stream.instance) => {
                stream.silent_since_us = None;
            }
            Some(stream) => {
                let since_us = *stream.silent_since_us.get_or_insert(now_us);
                // Another process at its port knows nothing of the stream, and says so.
                let other = !apart && instance.is_some();
                if other || now_us - since_us >= SILENCE_LIMIT_US {
                    let peer = stream.peer;
                    link.stream = None;
                    link.try_later(now_us);
                    self.media_server(number).deserted(now_us, peer);
                    self.input(node, Input::MediaServerDown(id));
                }
            }
        }
    }

    /// A request to a media server; without a connection it is lost, and the switch knows that.
    pub(super) fn ask_media(&mut self, node: u8, server: MediaServerId, request: Request) {
        let delay_us = self.commons.lock().network.delivery_us();
        let Some(life) = &mut self.node(node).life else {
            return;
        };
        let link = life.media.values_mut().find(|link| link.id == server);
        if let Some(stream) = link.and_then(|link| link.stream.as_mut()) {
            stream.requests.push(clock::now_us(), delay_us, request);
        }
    }

    /// Sends what a media server says to those who are to hear it.
    pub(super) fn replies_of(&mut self, server: u8) {
        let now_us = clock::now_us();
        while let Some((to, reply)) = self.media_server(server).poll_reply() {
            let delay_us = self.commons.lock().network.delivery_us();
            for stream in self.streams_to(server) {
                let hears = match to {
                    Audience::Peer(peer) => peer == stream.peer,
                    Audience::Everyone => true,
                };
                if hears {
                    stream.replies.push(now_us, delay_us, reply.clone());
                }
            }
        }
    }

    fn streams_to(&mut self, server: u8) -> impl Iterator<Item = &mut Stream> {
        let instance = self.media_server(server).instance;
        let lives = self.nodes.iter_mut().filter_map(|node| node.life.as_mut());
        let links = lives.filter_map(move |life| life.media.get_mut(&server));
        let streams = links.filter_map(|link| link.stream.as_mut());
        streams.filter(move |stream| Some(stream.instance) == instance)
    }

    /// When something arrives next on a stream that is open.
    pub(super) fn next_stream_us(&self) -> Option<u64> {
        let common = self.commons.lock();
        let network = &common.network;
        let runs = |node: u8| self.nodes[usize::from(node) - 1].is_running();
        let peers = self.peers.iter().filter_map(|((from, to), lane)| {
            let open = runs(*to) && !network.is_cut(Host::Node(*from), Host::Node(*to));
            open.then(|| lane.next_us()).flatten()
        });
        let lives = self
            .nodes
            .iter()
            .filter_map(|node| Some((node.number, node.life.as_ref()?)));
        let media = lives.flat_map(|(node, life)| {
            life.media.iter().filter_map(move |(server, link)| {
                let stream = link.stream.as_ref()?;
                let process = self.media[usize::from(*server) - 1].instance;
                if process != Some(stream.instance) {
                    return None;
                }
                let (host, server) = (Host::Node(node), Host::Media(*server));
                let there = (!network.is_cut(host, server)).then(|| stream.requests.next_us());
                let heard = runs(node) && !network.is_cut(server, host);
                let back = heard.then(|| stream.replies.next_us());
                [there.flatten(), back.flatten()]
                    .into_iter()
                    .flatten()
                    .min()
            })
        });
        peers.chain(media).min()
    }

    pub(super) fn deliver_streams(&mut self) -> bool {
        let now_us = clock::now_us();
        let shells = self.deliver_between_shells(now_us);
        let mut any = shells;
        for node in 1..=super::NODES {
            for server in 1..=super::MEDIA_SERVERS {
                any |= self.deliver_media(node, server, now_us);
            }
        }
        any
    }

    fn deliver_between_shells(&mut self, now_us: u64) -> bool {
        let mut any = false;
        let pairs: Vec<(u8, u8)> = self.peers.keys().copied().collect();
        for (from, to) in pairs {
            let cut = {
                let common = self.commons.lock();
                common.network.is_cut(Host::Node(from), Host::Node(to))
            };
            let cut = cut || self.node(to).stopped().is_some();
            let Some(lane) = self.peers.get_mut(&(from, to)) else {
                continue;
            };
            if cut {
                lane.drop_older(now_us, IDLE_LIMIT_US);
                continue;
            }
            while let Some(said) = self
                .peers
                .get_mut(&(from, to))
                .and_then(|lane| lane.pop(now_us))
            {
                any = true;
                let mut common = self.commons.lock();
                common.note(format_args!("node{from} node{to} {said:?}"));
                drop(common);
                self.hear(from, to, said);
            }
        }
        any
    }

    fn deliver_media(&mut self, node: u8, server: u8, now_us: u64) -> bool {
        let (there, back) = {
            let common = self.commons.lock();
            let (node, server) = (Host::Node(node), Host::Media(server));
            let network = &common.network;
            (!network.is_cut(node, server), !network.is_cut(server, node))
        };
        let back = back && self.node(node).is_running();
        let mut any = false;
        while there
            && let Some((peer, request)) = self.stream(node, server).and_then(|stream| {
                let request = stream.requests.pop(now_us)?;
                Some((stream.peer, request))
            })
        {
            any = true;
            let mut common = self.commons.lock();
            common.show(format_args!("node{node} => media{server} {request:?}"));
            drop(common);
            self.media_server(server).request(now_us, peer, request);
            self.replies_of(server);
        }
        while back
            && let Some(reply) = self
                .stream(node, server)
                .and_then(|stream| stream.replies.pop(now_us))
        {
            any = true;
            let id = self.link_id(node, server);
            let mut common = self.commons.lock();
            common.show(format_args!("media{server} => node{node} {reply:?}"));
            drop(common);
            if let Some(id) = id {
                self.input(node, Input::Media { server: id, reply });
            }
        }
        any
    }

    /// A stream with a process at both its ends.
    fn stream(&mut self, node: u8, server: u8) -> Option<&mut Stream> {
        let instance = self.media_server(server).instance?;
        let life = self.node(node).life.as_mut()?;
        let stream = life.media.get_mut(&server)?.stream.as_mut()?;
        (stream.instance == instance).then_some(stream)
    }

    fn link_id(&mut self, node: u8, server: u8) -> Option<MediaServerId> {
        let life = self.node(node).life.as_ref()?;
        Some(life.media.get(&server)?.id)
    }
}
