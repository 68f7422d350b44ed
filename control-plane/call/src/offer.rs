//! Offers and answers (RFC 3264) of one dialog, and what the media server has to know of them.

use std::net::SocketAddr;

use bytes::Bytes;
use carillon_model::CodecRules;
use carillon_protocol::{Direction, Family, Local, MAX_PAYLOAD_NAME_OCTETS, MAX_PAYLOADS, Payload};
use carillon_sip::Name;
use carillon_sip::sdp::{self, LocalOrigin, Media, MediaAddress, SessionDescription};
use serde::{Deserialize, Serialize};

use crate::Carrier;
use crate::accept::Declined;

/// What both sides of a dialog have said of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Negotiation {
    session_id: u64,
    version: u64,
    /// Our last description that stands.
    local: Option<Bytes>,
    /// Our offer that has no answer yet.
    offered: Option<Bytes>,
    /// An offer of ours was refused: its version is used up.
    version_used: bool,
    /// The peer's description that stands; of the caller, its offer from the beginning.
    pub(crate) remote: Option<Bytes>,
    /// What the peer is offered and may offer, if it is a carrier.
    #[serde(default, skip_serializing_if = "CodecRules::is_open")]
    codecs: CodecRules,
}

/// Why a session description is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSdp {
    #[error("not a session description")]
    Malformed,
    #[error("no audio that can be relayed")]
    NoAudio,
    #[error("no codec that the carrier is to use")]
    NoCodec,
}

/// The audio of a description, as the media server needs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stream {
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) remote_rtcp: Option<SocketAddr>,
    pub(crate) direction: Direction,
    pub(crate) payloads: Vec<Payload>,
    /// The party keeps the other from being heard.
    pub(crate) holds: bool,
}

impl BadSdp {
    pub(crate) fn declined(self) -> Declined {
        match self {
            Self::Malformed => {
                Declined::new(400).with(Name::Warning, "399 carillon \"Bad session description\"")
            }
            Self::NoAudio => {
                Declined::new(488).with(Name::Warning, "304 carillon \"No RTP/AVP audio\"")
            }
            Self::NoCodec => {
                Declined::new(488).with(Name::Warning, "305 carillon \"No codec of this trunk\"")
            }
        }
    }
}

impl Negotiation {
    pub(crate) fn new(session_id: u64, carrier: Option<&Carrier>) -> Self {
        let codecs = carrier.map(|carrier| carrier.codecs.clone());
        Self {
            session_id,
            version: 1,
            codecs: codecs.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Offers the peer what the other side has said; it stands when [`Negotiation::agreed`].
    pub(crate) fn offer(&mut self, source: &Bytes, at: &Local) -> Result<Bytes, BadSdp> {
        let source = self.narrowed(source)?;
        audio(&source).ok_or(BadSdp::NoAudio)?;
        let offer = self.versioned(|origin| relayed(&source, None, at, origin));
        self.offered = Some(offer.clone());
        Ok(offer)
    }

    /// What the peer says, without what it may not say.
    pub(crate) fn admitted(&self, sdp: &Bytes) -> Result<Bytes, BadSdp> {
        if self.codecs.is_open() {
            return Ok(sdp.clone());
        }
        self.narrowed(sdp).map(|narrowed| narrowed.to_bytes())
    }

    /// The same of an answer. One that has nothing else answers what was not offered; that is the peer's affair.
    pub(crate) fn heard(&self, sdp: Bytes) -> Bytes {
        self.admitted(&sdp).unwrap_or(sdp)
    }

    /// A description without codecs that the peer is not to use.
    fn narrowed(&self, sdp: &Bytes) -> Result<SessionDescription, BadSdp> {
        let mut description = SessionDescription::parse(sdp).map_err(|_| BadSdp::Malformed)?;
        let found = audio(&description).map(|(place, _)| place);
        if let Some(place) = found.filter(|_| !self.codecs.is_open()) {
            let media = &mut description.media[place];
            media.keep_codecs(|codec| self.codecs.keeps(&codec.name));
            let speaks = media.codecs().iter().any(|codec| !codec.is_auxiliary());
            speaks.then_some(()).ok_or(BadSdp::NoCodec)?;
        }
        Ok(description)
    }

    /// Offers again what stands.
    pub(crate) fn offer_again(&mut self) -> Option<Bytes> {
        let standing = SessionDescription::parse(self.local.as_ref()?).ok()?;
        let offer = self.versioned(|origin| SessionDescription {
            origin: origin.into(),
            ..standing.clone()
        });
        self.offered = Some(offer.clone());
        Some(offer)
    }

    /// Answers the peer with what the other side has said.
    pub(crate) fn answer(&mut self, source: &Bytes, at: &Local) -> Result<Bytes, BadSdp> {
        let source = self.narrowed(source)?;
        let offer = self
            .remote
            .as_ref()
            .and_then(|offer| SessionDescription::parse(offer).ok());
        let answer = self.versioned(|origin| relayed(&source, offer.as_ref(), at, origin));
        self.local = Some(answer.clone());
        self.version_used = false;
        Ok(answer)
    }

    /// The peer has answered our offer.
    pub(crate) fn agreed(&mut self) {
        if let Some(offered) = self.offered.take() {
            self.local = Some(offered);
            self.version_used = false;
        }
    }

    /// The peer has refused our offer: what stood before still does.
    pub(crate) fn refused(&mut self) {
        if self
            .offered
            .take()
            .is_some_and(|offered| Some(offered) != self.local)
        {
            self.version_used = true;
        }
    }

    /// Whether what stands names these ports. A session without audio names any.
    pub(crate) fn names(&self, at: &Local) -> bool {
        let standing = self.local.as_ref();
        let Some(standing) = standing.and_then(|said| SessionDescription::parse(said).ok()) else {
            return true;
        };
        audio(&standing).is_none_or(|(_, media)| standing.rtp_address(media) == Some(at.rtp))
    }

    /// What we said last and what stands.
    pub(crate) fn local(&self) -> Option<&Bytes> {
        self.local.as_ref()
    }

    /// An answer that refuses everything which was offered.
    pub(crate) fn refuse(&self, offer: &Bytes) -> Option<Bytes> {
        let offer = SessionDescription::parse(offer).ok()?;
        let local = SessionDescription::parse(self.local.as_ref().or(self.offered.as_ref())?).ok();
        let address = local.map_or(offer.origin.address(), |local| local.origin.address());
        Some(
            offer
                .relayed(self.origin(self.version, address), &[])
                .to_bytes(),
        )
    }

    /// A description with the next version, or with the same if it says the same (RFC 3264 §8).
    fn versioned(&mut self, describe: impl Fn(LocalOrigin) -> SessionDescription) -> Bytes {
        let unspecified = std::net::Ipv4Addr::UNSPECIFIED.into();
        let draft = describe(self.origin(self.version, unspecified));
        let address = draft
            .media
            .iter()
            .find_map(|media| draft.connection(media)?.address())
            .unwrap_or(unspecified);
        let last = self.offered.as_ref().or(self.local.as_ref());
        let said = last.and_then(|said| SessionDescription::parse(said).ok());
        let is_news = said
            .as_ref()
            .is_some_and(|said| !said.says_the_same_as(&draft));
        if is_news || self.version_used {
            self.version += 1;
            self.version_used = false;
        }
        SessionDescription {
            origin: self.origin(self.version, address).into(),
            ..draft
        }
        .to_bytes()
    }

    fn origin(&self, version: u64, address: std::net::IpAddr) -> LocalOrigin {
        LocalOrigin {
            session_id: self.session_id,
            version,
            address,
        }
    }
}

impl Stream {
    /// The audio of an offer.
    pub(crate) fn of(sdp: &Bytes) -> Result<Self, BadSdp> {
        let description = SessionDescription::parse(sdp).map_err(|_| BadSdp::Malformed)?;
        let (_, media) = audio(&description).ok_or(BadSdp::NoAudio)?;
        Ok(Self::read(&description, media))
    }

    /// The audio of an answer; one that was refused is silent.
    pub(crate) fn of_answer(sdp: &Bytes) -> Result<Self, BadSdp> {
        match Self::of(sdp) {
            Err(BadSdp::NoAudio) => Ok(Self::silent()),
            read => read,
        }
    }

    fn read(description: &SessionDescription, media: &Media) -> Self {
        let usable = |address: &SocketAddr| !address.ip().is_unspecified() && address.port() != 0;
        let sayable = |codec: &sdp::Codec| {
            codec.payload <= 127 && codec.name.len() <= MAX_PAYLOAD_NAME_OCTETS
        };
        let payloads = media
            .codecs()
            .into_iter()
            .filter(sayable)
            .take(MAX_PAYLOADS);
        Self {
            remote: description.rtp_address(media).filter(usable),
            remote_rtcp: description.rtcp_address(media).filter(usable),
            // What the party sends is received here.
            direction: match description.direction(media) {
                sdp::Direction::SendRecv => Direction::SendRecv,
                sdp::Direction::SendOnly => Direction::RecvOnly,
                sdp::Direction::RecvOnly => Direction::SendOnly,
                sdp::Direction::Inactive => Direction::Inactive,
            },
            payloads: payloads
                .map(|codec| Payload {
                    number: codec.payload,
                    name: codec.name.to_string(),
                    clock_rate: codec.clock_rate,
                })
                .collect(),
            holds: description.is_hold(media),
        }
    }

    fn silent() -> Self {
        Self {
            remote: None,
            remote_rtcp: None,
            direction: Direction::Inactive,
            payloads: Vec::new(),
            holds: true,
        }
    }

    /// Addresses that the media server can send to from ports of this family.
    pub(crate) fn within(mut self, family: Family) -> Self {
        let fits = |address: &SocketAddr| Family::of(address) == family;
        self.remote = self.remote.filter(fits);
        self.remote_rtcp = self.remote_rtcp.filter(fits);
        self
    }
}

/// The section that is relayed: the first audio without encryption.
fn audio(description: &SessionDescription) -> Option<(usize, &Media)> {
    let mut sections = description.media.iter().enumerate();
    sections.find(|(_, media)| media.kind == "audio" && media.port != 0 && media.is_plain_rtp())
}

/// The same session at the media server's address. An answer has as many sections as its offer (RFC 3264 §6), also
/// where the other side has answered with fewer.
fn relayed(
    source: &SessionDescription,
    offer: Option<&SessionDescription>,
    at: &Local,
    origin: LocalOrigin,
) -> SessionDescription {
    let address = MediaAddress {
        rtp: at.rtp,
        rtcp: at.rtcp,
    };
    let addresses: Vec<Option<MediaAddress>> = match audio(source) {
        Some((place, _)) => (0..=place)
            .map(|index| (index == place).then_some(address))
            .collect(),
        None => Vec::new(),
    };
    let mut relayed = source.relayed(
        LocalOrigin {
            address: at.rtp.ip(),
            ..origin
        },
        &addresses,
    );
    if let Some(offer) = offer {
        relayed.media.truncate(offer.media.len());
        let missing = offer.media.iter().skip(relayed.media.len());
        let refused = missing.map(|media| Media {
            port: 0,
            port_count: None,
            lines: Vec::new(),
            ..media.clone()
        });
        relayed.media.extend(refused);
    }
    relayed
}
