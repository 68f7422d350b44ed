//! A phone that says what a test tells it to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carillon_model::Transport;
use carillon_sip::auth::{Answer, Challenge};
use carillon_sip::framing::{Frame, Framer};
use carillon_sip::{Framing, Message, Method, Name};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::{Node, PASSWORD};

pub const PATIENCE: Duration = Duration::from_secs(10);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

enum Wire {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>, Framer, VecDeque<Bytes>),
}

pub struct Phone {
    name: &'static str,
    transport: Transport,
    pub server: SocketAddr,
    pub local: SocketAddr,
    wire: Wire,
    next: u32,
    /// What follows the address in Contact.
    contact_parameters: &'static str,
}

impl Phone {
    pub async fn connect(name: &'static str, node: &Node, transport: Transport) -> Self {
        let server = node.address(transport);
        let (local, wire) = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                socket.connect(server).await.unwrap();
                (socket.local_addr().unwrap(), Wire::Datagrams(socket))
            }
            Transport::Tcp => {
                let stream = TcpStream::connect(server).await.unwrap();
                (stream.local_addr().unwrap(), over(stream))
            }
            Transport::Tls => {
                let stream = TcpStream::connect(server).await.unwrap();
                let local = stream.local_addr().unwrap();
                (local, over(encrypted(stream, node, server).await))
            }
        };
        Self {
            name,
            transport,
            server,
            local,
            wire,
            next: 0,
            contact_parameters: "",
        }
    }

    pub async fn send(&mut self, text: &[u8]) {
        match &mut self.wire {
            Wire::Datagrams(socket) => {
                socket.send(text).await.unwrap();
            }
            Wire::Stream(stream, _, _) => {
                stream.write_all(text).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    }

    /// The next message.
    pub async fn hear(&mut self) -> Message {
        let bytes = timeout(PATIENCE, self.receive())
            .await
            .unwrap_or_else(|_| panic!("{} hears nothing", self.name));
        let framing = match self.transport {
            Transport::Udp => Framing::Datagram,
            Transport::Tcp | Transport::Tls => Framing::Stream,
        };
        Message::parse(&bytes, framing).unwrap()
    }

    /// The next final response.
    pub async fn hear_final(&mut self) -> Message {
        loop {
            let message = self.hear().await;
            if message.status().is_some_and(|code| code >= 200) {
                return message;
            }
        }
    }

    /// The next request of this method.
    pub async fn hear_request(&mut self, method: Method) -> Message {
        loop {
            let message = self.hear().await;
            if message.method() == Some(&method) {
                return message;
            }
        }
    }

    async fn receive(&mut self) -> Bytes {
        match &mut self.wire {
            Wire::Datagrams(socket) => {
                let mut buffer = vec![0; 65_535];
                let octets = socket.recv(&mut buffer).await.unwrap();
                Bytes::copy_from_slice(&buffer[..octets])
            }
            Wire::Stream(stream, framer, heard) => loop {
                if let Some(message) = heard.pop_front() {
                    return message;
                }
                let mut buffer = [0; 4096];
                let octets = stream.read(&mut buffer).await.unwrap();
                assert_ne!(octets, 0, "the node closed the connection");
                framer.push(&buffer[..octets]).unwrap();
                while let Some(frame) = framer.next_frame().unwrap() {
                    if let Frame::Message(message) = frame {
                        heard.push_back(message);
                    }
                }
            },
        }
    }

    /// A request of ours, without body unless given.
    pub fn request(&mut self, method: &str, uri: &str, more: &str, sdp: &str) -> String {
        // An ACK has the number of its INVITE (RFC 3261 §13.2.2.4).
        self.next += u32::from(method != "ACK");
        let (name, local, cseq) = (self.name, self.local, self.next);
        let transport = self.transport.as_str().to_uppercase();
        let kind = if sdp.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {local};branch=z9hG4bK{name}{cseq}{method};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{name}@{server}>;tag={name}\r\n\
             Call-ID: {name}-{local}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:{name}@{local};transport={protocol}>{parameters}\r\n\
             {more}{kind}Content-Length: {length}\r\n\r\n{sdp}",
            server = self.server,
            protocol = self.transport.as_str(),
            parameters = self.contact_parameters,
            length = sdp.len(),
        )
    }

    /// Sends a request and, challenged, once more with our password; returns the final response.
    pub async fn ask(&mut self, method: &str, uri: &str, more: &str, sdp: &str) -> Message {
        let first = self.request(method, uri, more, sdp);
        self.send(first.as_bytes()).await;
        let refusal = self.hear_final().await;
        let (challenges, answer) = match refusal.status() {
            Some(401) => (Name::WwwAuthenticate, "Authorization"),
            Some(407) => (Name::ProxyAuthenticate, "Proxy-Authorization"),
            _ => return refusal,
        };
        if method == "INVITE" {
            self.acknowledge_refusal(&first, &refusal).await;
        }
        let values = refusal.headers.get_all(challenges);
        let challenge = Challenge::choose(values.map(|value| &value[..])).unwrap();
        let credentials = Answer {
            username: self.name,
            password: PASSWORD,
            method,
            uri,
            client_nonce: "cnonce",
            nonce_count: 1,
        }
        .to(&challenge);
        let more = format!("{more}{answer}: {credentials}\r\n");
        let second = self.request(method, uri, &more, sdp);
        self.send(second.as_bytes()).await;
        self.hear_final().await
    }

    async fn acknowledge_refusal(&mut self, invite: &str, refusal: &Message) {
        let to = refusal.headers.text(Name::To).unwrap();
        let ack: String = invite
            .lines()
            .take_while(|line| !line.is_empty())
            .filter(|line| {
                !["To:", "Content-", "Contact:"]
                    .iter()
                    .any(|name| line.starts_with(name))
            })
            .map(|line| format!("{line}\r\n"))
            .collect();
        let ack = ack
            .replacen("INVITE sip", "ACK sip", 1)
            .replacen(" INVITE\r\n", " ACK\r\n", 1);
        let ack = format!("{ack}To: {to}\r\nContent-Length: 0\r\n\r\n");
        self.send(ack.as_bytes()).await;
    }

    pub async fn register(&mut self) -> Message {
        let uri = format!("sip:{}", self.server);
        let to = format!("To: <sip:{}@{}>\r\n", self.name, self.server);
        self.ask("REGISTER", &uri, &to, "").await
    }

    /// Registers the connection as a flow that this phone keeps open (RFC 5626 §4.2).
    pub async fn register_flow(&mut self) -> Message {
        self.contact_parameters =
            ";reg-id=1;+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\"";
        let uri = format!("sip:{}", self.server);
        let (name, server) = (self.name, self.server);
        let more = format!("To: <sip:{name}@{server}>\r\nSupported: path, outbound\r\n");
        self.ask("REGISTER", &uri, &more, "").await
    }

    /// Answers a request.
    pub async fn answer(&mut self, request: &Message, code: u16, sdp: &str) {
        let mut response = Message::response_to(request, code, "");
        response.add_to_tag(self.name);
        let contact = format!(
            "<sip:{}@{};transport={}>",
            self.name,
            self.local,
            self.transport.as_str()
        );
        response.headers.set(Name::Contact, contact);
        if !sdp.is_empty() {
            response.set_body("application/sdp", Bytes::copy_from_slice(sdp.as_bytes()));
        }
        self.send(&response.to_bytes()).await;
    }
}

fn over(stream: impl Stream + 'static) -> Wire {
    Wire::Stream(Box::new(stream), Framer::new(), VecDeque::new())
}

async fn encrypted(
    stream: TcpStream,
    node: &Node,
    server: SocketAddr,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut trusted = rustls::RootCertStore::empty();
    trusted
        .add(CertificateDer::from_pem_slice(node.authority.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(ServerName::from(server.ip()), stream)
        .await
        .unwrap()
}
