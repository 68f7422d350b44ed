//! A media server dies, is cut off or drained, and its calls go on at another.

use std::net::IpAddr;

use carillon_model::{
    CallId, Command, ConfigCommand, MediaCommand, MediaServerId, MediaState, NodeId, Resource,
    Site, SiteId,
};
use carillon_protocol::{Event, Reason, Reply};
use carillon_switch::{Input, Leaving, Notice};

use super::office::Office;

impl Office {
    fn lose_server(&mut self, node: u64, server: u32) {
        let input = Input::MediaServerDown(MediaServerId(server));
        self.input(NodeId(node), input);
    }

    fn find_server(&mut self, node: u64, server: u32) {
        let input = Input::MediaServerUp(MediaServerId(server));
        self.input(NodeId(node), input);
    }

    /// Its process dies: every node notices.
    fn kill_server(&mut self, server: u32) {
        let held = self.media.get_mut(&MediaServerId(server)).unwrap();
        held.sessions.clear();
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.lose_server(node.0, server);
        }
    }

    fn holds(&self, server: u32) -> usize {
        self.media[&MediaServerId(server)].sessions.len()
    }

    /// Where a phone sends its media to, as it was told last.
    fn speaks_to(&self, name: &str) -> IpAddr {
        let received = self.phones[name].received.iter().rev();
        let told = received
            .filter_map(|message| {
                let body = String::from_utf8_lossy(&message.body).into_owned();
                let line = body.lines().find(|line| line.starts_with("c="))?.to_owned();
                line.rsplit(' ').next()?.parse().ok()
            })
            .next();
        told.expect("it was told")
    }

    fn moved(&self) -> Vec<Leaving> {
        let moved = self.notices.iter().filter_map(|notice| match notice {
            Notice::MediaMoved { why, .. } => Some(*why),
            _ => None,
        });
        moved.collect()
    }

    fn site(&mut self, name: &str) -> SiteId {
        let site = Site {
            name: name.to_owned(),
            ..Site::default()
        };
        let create = ConfigCommand::Create(Resource::Site(site));
        self.apply(&Command::Configure(Box::new(create)));
        let sites = self.state.sites().values();
        sites.map(|site| site.id).max().unwrap()
    }

    fn put_server(&mut self, number: u32, change: impl Fn(&mut carillon_model::MediaServer)) {
        let known = self.state.media_servers().get(&MediaServerId(number));
        let mut server = known.unwrap().as_ref().clone();
        change(&mut server);
        self.commit(&Command::Media(MediaCommand::Put(server)));
    }
}

fn address(server: u32) -> IpAddr {
    format!("10.2.0.{server}").parse().unwrap()
}

/// alice and bob talk by way of server 1, server 2 is there.
fn talking(nodes: u64) -> Office {
    let mut office = Office::new(nodes);
    office.settle_in(1);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.run(5_000);
    office.add_media_server(2);
    assert_eq!(office.speaks_to("alice"), address(1));
    office.ladder();
    office.notices.clear();
    office
}

fn part(mut office: Office) {
    office.hang_up("alice");
    office.assert_quiet();
}

#[test]
fn a_server_dies_and_both_phones_speak_to_another() {
    let mut office = talking(1);
    office.kill_server(1);
    office.run(100);
    assert_eq!((office.holds(1), office.holds(2)), (0, 1));
    for phone in ["alice", "bob"] {
        assert_eq!(office.speaks_to(phone), address(2));
    }
    assert_eq!(office.moved(), [Leaving::Lost]);
    let call = office.state.calls().values().next().unwrap().clone();
    assert_eq!(call.summary.media_server, Some(MediaServerId(2)));
    office.ladder();
    office.find_server(1, 1);
    office.run(1_000);
    assert_eq!(office.ladder(), "", "it has no part in the call any more");
    assert_eq!(office.holds(1), 0);
    part(office);
}

#[test]
fn a_server_that_was_cut_off_forgets_what_has_left_it() {
    let mut office = talking(1);
    office.lose_server(1, 1);
    office.run(100);
    assert_eq!((office.holds(1), office.holds(2)), (1, 1));
    office.find_server(1, 1);
    office.run(100);
    assert_eq!((office.holds(1), office.holds(2)), (0, 1));
    part(office);
}

#[test]
fn a_server_that_is_alone_gets_its_calls_back_and_a_new_one_takes_them() {
    let mut office = Office::new(1);
    office.settle_in(1);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.kill_server(1);
    office.run(5_000);
    assert_eq!(office.state.calls().len(), 1);
    office.add_media_server(2);
    office.run(100);
    assert_eq!(office.speaks_to("bob"), address(2));
    assert_eq!(office.holds(2), 1);
    part(office);
}

#[test]
fn a_drained_server_is_left_only_when_both_phones_have_the_new_address() {
    for by_word in [false, true] {
        let mut office = talking(1);
        office.phone("bob").refuses = Some(491);
        match by_word {
            // An administrator says so.
            false => drop(office.commit(&Command::Media(MediaCommand::SetState {
                id: MediaServerId(1),
                state: MediaState::Draining,
            }))),
            // Its process was asked to end.
            true => {
                let event = Event::Draining { sessions: 1 };
                office.media_says(1, 1, Reply::Event(event));
            }
        }
        office.run(100);
        assert_eq!(office.speaks_to("alice"), address(2));
        assert_eq!((office.holds(1), office.holds(2)), (1, 1));
        office.phone("bob").refuses = None;
        office.run(4_000);
        assert_eq!(office.speaks_to("bob"), address(2));
        assert_eq!((office.holds(1), office.holds(2)), (0, 1));
        assert_eq!(office.moved(), [Leaving::Drained]);
        part(office);
    }
}

#[test]
fn a_phone_that_refuses_keeps_what_it_has_for_as_long_as_that_lives() {
    let mut office = talking(1);
    office.phone("bob").refuses = Some(488);
    office.put_server(1, |server| server.state = MediaState::Draining);
    office.run(10_000);
    assert_eq!((office.holds(1), office.holds(2)), (1, 1));
    let call = office.state.calls().values().next().unwrap().clone();
    assert!(call.summary.one_way, "it is marked");
    assert_eq!(office.node(1).counters().one_way, 1);
    office.phone("bob").refuses = None;
    office.run(30_000);
    assert_eq!((office.holds(1), office.holds(2)), (0, 1));
    part(office);
}

#[test]
fn without_another_server_a_drained_one_keeps_its_calls() {
    let mut office = Office::new(1);
    office.settle_in(1);
    office.call("alice", "102");
    office.answer("bob", 200);
    office.ladder();
    office.put_server(1, |server| server.state = MediaState::Draining);
    office.run(5_000);
    assert_eq!((office.ladder().as_str(), office.holds(1)), ("", 1));
    office.add_media_server(2);
    office.run(100);
    assert_eq!((office.holds(1), office.holds(2)), (0, 1));
    part(office);
}

#[test]
fn a_server_of_the_same_site_is_preferred() {
    let mut office = talking(1);
    office.add_media_server(3);
    let here = office.site("here");
    let there = office.site("there");
    office.put_server(1, |server| server.site = here);
    office.put_server(2, |server| server.site = there);
    office.put_server(3, |server| server.site = here);
    office.kill_server(1);
    office.run(100);
    assert_eq!(office.speaks_to("alice"), address(3));
    office.kill_server(3);
    office.run(100);
    assert_eq!(
        office.speaks_to("alice"),
        address(2),
        "then those of others"
    );
    part(office);
}

#[test]
fn a_server_that_does_not_take_a_call_is_passed_over() {
    let mut office = talking(1);
    office.media.get_mut(&MediaServerId(2)).unwrap().refuses = Some(Reason::Full);
    office.kill_server(1);
    office.run(100);
    assert_eq!(office.speaks_to("alice"), address(1), "there is none");
    office.add_media_server(3);
    office.run(3_000);
    assert_eq!(office.speaks_to("alice"), address(3));
    part(office);
}

#[test]
fn a_call_that_rings_is_moved_too() {
    let mut office = Office::new(1);
    office.settle_in(1);
    office.call("alice", "102");
    office.answer("bob", 180);
    office.add_media_server(2);
    office.kill_server(1);
    office.run(100);
    assert_eq!(office.holds(2), 1);
    office.answer("bob", 200);
    office.run(100);
    for phone in ["alice", "bob"] {
        assert_eq!(office.speaks_to(phone), address(2), "{phone}");
    }
    part(office);
}

#[test]
fn each_node_moves_its_own_calls_only() {
    let mut office = Office::new(2);
    office.place("alice", 1);
    office.place("bob", 1);
    office.place("carol", 2);
    office.hire("dave", "104");
    office.place("dave", 2);
    for name in ["alice", "bob", "carol", "dave"] {
        office.register(name);
    }
    office.call("alice", "102");
    office.answer("bob", 200);
    office.call("carol", "104");
    office.answer("dave", 200);
    office.add_media_server(2);
    // Node 1 alone cannot reach server 1.
    office.lose_server(1, 1);
    office.run(1_000);
    assert_eq!(office.speaks_to("alice"), address(2));
    assert_eq!(office.speaks_to("carol"), address(1));
    office.find_server(1, 1);
    office.run(100);
    assert_eq!((office.holds(1), office.holds(2)), (1, 1));
    office.hang_up("carol");
    part(office);
}

#[test]
fn the_owner_dies_with_the_media_server() {
    let mut office = talking(3);
    office.kill_server(1);
    office.kill(1);
    office.run(1_500);
    for phone in ["alice", "bob"] {
        assert_eq!(office.speaks_to(phone), address(2), "{phone}");
        let ladder = office.ladder.clone();
        let calls = ladder.matches(&format!("-> {phone}: INVITE")).count();
        assert_eq!(calls, 1, "one request says both: {ladder}");
    }
    assert_eq!(office.holds(2), 1);
    part(office);
}

#[test]
fn an_owner_that_is_cut_off_from_all_leaves_its_calls_to_the_heir() {
    let mut office = talking(3);
    office.deaf = Some(NodeId(1));
    office.run(300);
    office.lose_server(1, 1);
    office.run(500);
    for phone in ["alice", "bob"] {
        assert_eq!(office.speaks_to(phone), address(1), "{phone}");
    }
    assert_eq!((office.holds(1), office.holds(2)), (1, 0));
}

#[test]
fn the_owner_dies_while_the_phones_are_told() {
    let mut office = talking(3);
    office.phone("bob").refuses = Some(491);
    office.kill_server(1);
    office.run(30);
    office.kill(1);
    office.phone("bob").refuses = None;
    office.run(2_000);
    for phone in ["alice", "bob"] {
        assert_eq!(office.speaks_to(phone), address(2), "{phone}");
    }
    part(office);
}

/// Emergency calls go first, then the oldest; and not all at once.
#[test]
fn many_calls_are_moved_in_order() {
    const CALLS: usize = 25;
    let mut office = Office::with(1, |config| {
        config.emergency_numbers = vec!["170".to_owned()];
    });
    for call in 0..CALLS {
        for (name, number) in [
            (format!("caller{call}"), 110 + call),
            (format!("callee{call}"), 150 + call),
        ] {
            office.hire(&name, &number.to_string());
            office.place(&name, 1);
            office.tell_everybody(Vec::new());
            office.register(&name);
        }
        office.call(&format!("caller{call}"), &(150 + call).to_string());
    }
    assert_eq!(office.state.calls().len(), CALLS);
    let mut calls: Vec<(bool, u64, CallId)> = office
        .state
        .calls()
        .values()
        .map(|call| {
            let emergency = call.summary.callee.number == "170";
            (!emergency, call.summary.started_at_ms, call.id)
        })
        .collect();
    calls.sort_unstable();
    office.add_media_server(2);
    office.kill_server(1);
    office.run(5);
    assert_eq!(office.media[&MediaServerId(2)].order.len(), 10);
    office.run(100);
    let expected: Vec<u128> = calls.iter().map(|(_, _, call)| call.0).collect();
    let order: Vec<u128> = office.media[&MediaServerId(2)].order.clone();
    assert_eq!(order, expected);
}
