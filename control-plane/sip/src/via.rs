use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::Malformed;
use crate::params::{Params, is_identifier};
use crate::scan::{self, is_token};
use crate::text::Text;
use crate::uri::{Host, HostPort, host_port};

/// The transport that a Via names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ViaTransport {
    /// UDP
    Udp,
    /// TCP
    Tcp,
    /// TLS over TCP
    Tls,
    /// SIP over WebSocket (RFC 7118)
    Ws,
    /// SIP over secure WebSocket
    Wss,
    /// SCTP, and any other that is not served here
    Other(Text),
}

impl ViaTransport {
    fn parse(octets: &Bytes) -> Result<Self, Malformed> {
        let known = [
            ("UDP", Self::Udp),
            ("TCP", Self::Tcp),
            ("TLS", Self::Tls),
            ("WS", Self::Ws),
            ("WSS", Self::Wss),
        ];
        for (name, transport) in known {
            if octets.eq_ignore_ascii_case(name.as_bytes()) {
                return Ok(transport);
            }
        }
        if octets.is_empty() || !octets.iter().copied().all(is_token) {
            return Err(Malformed("transport is not a token"));
        }
        Ok(Self::Other(
            Text::from_utf8(octets.clone()).expect("a token is ASCII"),
        ))
    }

    /// The name as it stands in a Via.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Other(name) => name,
        }
    }

    /// The port that is meant where none is written (RFC 3261 §18.2.2).
    pub fn default_port(&self) -> u16 {
        match self {
            Self::Tls | Self::Wss => 5061,
            Self::Udp | Self::Tcp | Self::Ws | Self::Other(_) => 5060,
        }
    }
}

/// One hop of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// How the hop sent.
    pub transport: ViaTransport,
    sent_by: Text,
    /// The port of sent-by, if one is written.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params,
}

impl Via {
    /// A Via of our own. `branch` is written as it is; `rport` is asked for (RFC 3581).
    pub fn new(transport: ViaTransport, sent_by: SocketAddr, branch: &str) -> Self {
        let mut params = Params::default();
        params.set("branch", branch);
        params.set_flag("rport");
        Self {
            transport,
            sent_by: Text::from(Host::from(sent_by.ip()).to_string()),
            port: Some(sent_by.port()),
            params,
        }
    }

    /// Reads one element of a Via header.
    pub fn parse(octets: &Bytes) -> Result<Self, Malformed> {
        let mut parts = octets.splitn(3, |&o| o == b'/').map(scan::trim);
        let (Some(name), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed("no protocol"));
        };
        if !name.eq_ignore_ascii_case(b"SIP") || version != b"2.0" {
            return Err(Malformed("protocol is not SIP/2.0"));
        }
        let blank = memchr::memchr2(b' ', b'\t', rest).ok_or(Malformed("no sent-by"))?;
        let (transport, rest) = rest.split_at(blank);
        let rest = scan::trim(rest);
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let HostPort { host, port } = host_port(scan::trim(&rest[..end]))?;
        let via = Self {
            transport: ViaTransport::parse(&scan::share(octets, transport))?,
            sent_by: Text::from_utf8(scan::share(octets, &rest[host])).expect("a host is ASCII"),
            port,
            params: Params::parse(scan::share(octets, &rest[end..]))?,
        };
        match via.params.get("branch") {
            Some(branch) if !is_identifier(branch) => Err(Malformed("branch is not a token")),
            Some(_) if via.params.is_repeated("branch") => Err(Malformed("two branches")),
            Some(_) | None => Ok(via),
        }
    }

    /// The host of sent-by.
    pub fn host(&self) -> Host<'_> {
        Host::of(&self.sent_by)
    }

    /// The host of sent-by as it is written.
    pub fn sent_by(&self) -> &str {
        &self.sent_by
    }

    /// The port of sent-by, or the one meant when none is written.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or_else(|| self.transport.default_port())
    }

    /// The branch, octet for octet.
    pub fn branch(&self) -> Option<&str> {
        self.params.text("branch")
    }

    /// The address that the request really came from, with or without the brackets of an IPv6
    /// address (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.text("received")?;
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        bare.unwrap_or(text).parse().ok()
    }

    /// Whether the sender asked for the port it was seen with (RFC 3581), and that port once it is
    /// filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params
            .get("rport")
            .map(|port| scan::number(port).and_then(|port| u16::try_from(port).ok()))
    }

    /// Notes where the request came from: `received` where sent-by does not say the same, and
    /// `rport` where it was asked for (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn note_source(&mut self, source: SocketAddr) {
        let asked = self.params.contains("rport");
        if asked || self.host().address() != Some(source.ip()) {
            self.params.set("received", source.ip().to_string());
        }
        if asked {
            self.params.set("rport", source.port().to_string());
        }
    }

    /// Where a response goes over a transport without connections (RFC 3261 §18.2.2, RFC 3581
    /// §4); `None` where a name would have to be looked up.
    pub fn response_target(&self) -> Option<SocketAddr> {
        let host = match self.params.text("maddr") {
            Some(maddr) => Host::of(maddr).address(),
            None => self.received().or_else(|| self.host().address()),
        };
        let port = self
            .rport()
            .flatten()
            .unwrap_or_else(|| self.port_or_default());
        host.map(|address| SocketAddr::new(address, port))
    }

    /// As it stands in a header.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(96);
        out.put_slice(b"SIP/2.0/");
        out.put_slice(self.transport.as_str().as_bytes());
        out.put_u8(b' ');
        out.put_slice(self.sent_by.as_bytes());
        if let Some(port) = self.port {
            out.put_u8(b':');
            out.put_slice(port.to_string().as_bytes());
        }
        self.params.write(&mut out);
        out.freeze()
    }
}

impl From<&Via> for Bytes {
    fn from(via: &Via) -> Self {
        via.to_bytes()
    }
}

impl From<Via> for Bytes {
    fn from(via: Via) -> Self {
        via.to_bytes()
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &'static str) -> Via {
        Via::parse(&Bytes::from_static(text.as_bytes()))
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn blanks_may_stand_around_every_separator() {
        let via = via("SIP  / 2.0  /UDP     192.0.2.2 : 5070 ; branch = 390skdjuw ; rport");
        assert_eq!(via.transport, ViaTransport::Udp);
        assert_eq!(via.host().to_string(), "192.0.2.2");
        assert_eq!(via.port, Some(5070));
        assert_eq!(via.branch(), Some("390skdjuw"));
        assert_eq!(via.rport(), Some(None));
    }

    #[test]
    fn the_branch_is_kept_octet_for_octet() {
        let text = "SIP/2.0/UDP host1.example.com;branch=z9hG4bK-.!%66*_+`'~";
        assert_eq!(via(text).branch(), Some("z9hG4bK-.!%66*_+`'~"));
        assert_eq!(via(text).to_string(), text);
    }

    #[test]
    fn unknown_transports_keep_their_name() {
        let via = via("SIP/2.0/UNKNOWN t2.example.com:5060;branch=z9hG4bKkdjuw");
        assert_eq!(via.transport.as_str(), "UNKNOWN");
        assert_eq!(via.branch(), Some("z9hG4bKkdjuw"));
    }

    #[test]
    fn the_source_is_noted_where_it_differs_or_is_asked_for() {
        let source = "203.0.113.9:1024".parse().unwrap();
        let mut asked = via("SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport");
        asked.note_source(source);
        assert_eq!(
            asked.to_string(),
            "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport=1024;received=203.0.113.9"
        );
        assert_eq!(asked.response_target(), Some(source));
        let mut same = via("SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK1");
        same.note_source(source);
        assert_eq!(same.received(), None);
        assert_eq!(
            same.response_target(),
            Some("203.0.113.9:5060".parse().unwrap())
        );
    }

    #[test]
    fn an_ipv6_source_is_read_with_and_without_brackets() {
        for text in [
            "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3",
            "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3",
        ] {
            assert_eq!(via(text).received(), "2001:db8::9:255".parse().ok());
        }
    }

    #[test]
    fn what_is_no_via_is_refused() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 host",
            "SIP/3.0/UDP host",
            "HTTP/2.0/UDP host",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP host:port",
            "SIP/2.0/UDP h;branch=",
            "SIP/2.0/UDP h;branch=\"a\"",
            "SIP/2.0/UDP a b;branch=z9hG4bK1",
        ] {
            assert!(
                Via::parse(&Bytes::from_static(bad.as_bytes())).is_err(),
                "{bad}"
            );
        }
    }
}
