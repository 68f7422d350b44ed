//! Who can reach whom, how fast, and how often not at all.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::Dice;

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Node(u8),
    Media(u8),
    Phone(u8),
    Carrier,
}

impl Host {
    pub(crate) fn ip(self) -> IpAddr {
        let (net, number) = match self {
            Self::Node(number) => (1, number),
            Self::Media(number) => (2, number),
            Self::Phone(number) => (3, number),
            Self::Carrier => (4, 1),
        };
        Ipv4Addr::new(10, 77, net, number).into()
    }

    pub(crate) fn at(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip(), port)
    }

    /// Whose address it is.
    pub(crate) fn of(address: SocketAddr) -> Option<Self> {
        let IpAddr::V4(ip) = address.ip() else {
            return None;
        };
        match ip.octets() {
            [10, 77, 1, number] => Some(Self::Node(number)),
            [10, 77, 2, number] => Some(Self::Media(number)),
            [10, 77, 3, number] => Some(Self::Phone(number)),
            [10, 77, 4, 1] => Some(Self::Carrier),
            _ => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(number) => write!(f, "node{number}"),
            Self::Media(number) => write!(f, "media{number}"),
            Self::Phone(number) => write!(f, "phone{number}"),
            Self::Carrier => f.write_str("carrier"),
        }
    }
}

/// How the network treats what is sent over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weather {
    /// Datagrams lost, of a thousand. On a stream each costs a repetition instead.
    pub(crate) lost: u64,
    /// Datagrams that come twice, of a thousand.
    pub(crate) doubled: u64,
    /// Fastest and slowest way. A wide range reorders.
    pub(crate) delay_us: (u64, u64),
    /// Datagrams that take much longer, of a thousand.
    pub(crate) late: u64,
    /// How much longer at most.
    pub(crate) late_us: u64,
}

impl Weather {
    /// Nothing is lost.
    pub(crate) const CALM: Self = Self {
        lost: 0,
        doubled: 0,
        delay_us: (200, 600),
        late: 0,
        late_us: 1,
    };

    /// As bad as a seed wants it, up to a tenth lost.
    pub(crate) fn rough(dice: &mut Dice) -> Self {
        Self {
            lost: dice.within(0..101),
            doubled: dice.within(0..51),
            delay_us: (200, dice.within(1_000..20_000)),
            late: dice.within(0..51),
            late_us: dice.within(10_000..80_000),
        }
    }

    /// Between machines of one data centre: streams, so what is lost comes late.
    pub(crate) fn rough_inside(dice: &mut Dice) -> Self {
        Self {
            lost: dice.within(0..21),
            doubled: dice.within(0..11),
            delay_us: (100, dice.within(300..3_000)),
            late: dice.within(0..21),
            late_us: dice.within(5_000..60_000),
        }
    }
}

/// What a stream takes to send again what was lost.
const REPETITION_US: u64 = 30_000;

/// The network between all machines.
#[derive(Debug)]
pub(crate) struct Network {
    dice: Dice,
    /// Between phones and the cluster.
    pub(crate) outside: Weather,
    /// Inside the cluster.
    pub(crate) inside: Weather,
    cuts: BTreeSet<(Host, Host)>,
}

impl Network {
    pub(crate) fn new(dice: Dice) -> Self {
        Self {
            dice,
            outside: Weather::CALM,
            inside: Weather::CALM,
            cuts: BTreeSet::new(),
        }
    }

    /// Nothing goes from one to the other any more; the other way stays.
    pub(crate) fn cut_one_way(&mut self, from: Host, to: Host) {
        self.cuts.insert((from, to));
    }

    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }

    pub(crate) fn is_cut(&self, from: Host, to: Host) -> bool {
        self.cuts.contains(&(from, to))
    }

    /// Whether two cannot have a conversation.
    pub(crate) fn are_apart(&self, one: Host, other: Host) -> bool {
        self.is_cut(one, other) || self.is_cut(other, one)
    }

    /// After how long each copy of a datagram arrives; none when it is lost.
    pub(crate) fn datagram(&mut self, from: Host, to: Host) -> Vec<u64> {
        let weather = self.outside;
        if self.is_cut(from, to) || self.dice.chance(weather.lost) {
            return Vec::new();
        }
        let copies = if self.dice.chance(weather.doubled) {
            2
        } else {
            1
        };
        (0..copies).map(|_| self.delay_us(weather)).collect()
    }

    /// After how long something arrives that is repeated until it does.
    pub(crate) fn delivery_us(&mut self) -> u64 {
        let weather = self.inside;
        let mut delay_us = self.delay_us(weather);
        while self.dice.chance(weather.lost.min(500)) {
            delay_us += REPETITION_US + self.delay_us(weather);
        }
        delay_us
    }

    /// Whether a peer that has answered slowly is asked again although it got the question.
    pub(crate) fn doubles_requests(&mut self) -> bool {
        self.dice.chance(self.inside.doubled)
    }

    pub(crate) fn flip(&mut self) -> bool {
        self.dice.chance(500)
    }

    fn delay_us(&mut self, weather: Weather) -> u64 {
        let (fastest, slowest) = weather.delay_us;
        let mut delay_us = self.dice.within(fastest..slowest + 1);
        if self.dice.chance(weather.late) {
            delay_us += self.dice.within(0..weather.late_us);
        }
        delay_us
    }
}
