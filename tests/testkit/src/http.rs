//! One HTTP/1.1 exchange over TLS, blocking, as much as a test needs: JSON in and out, the connection closed after it.

use anyhow::{Context, Result, bail};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What the server said.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// TLS that trusts one authority.
pub(crate) fn tls(authority: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority)
        .with_context(|| format!("read {}", authority.display()))?
    {
        roots.add(certificate.context("understand the authority's certificate")?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) fn connect(config: &Arc<ClientConfig>, server: SocketAddr) -> Result<TlsStream> {
    let socket = TcpStream::connect_timeout(&server, CONNECT_WITHIN)
        .with_context(|| format!("connect to {server}"))?;
    over(config, socket, server)
}

pub(crate) fn over(
    config: &Arc<ClientConfig>,
    socket: TcpStream,
    server: SocketAddr,
) -> Result<TlsStream> {
    let name = ServerName::from(server.ip());
    let connection = ClientConnection::new(Arc::clone(config), name)?;
    Ok(StreamOwned::new(connection, socket))
}

/// A request and its answer.
pub(crate) fn exchange(
    config: &Arc<ClientConfig>,
    server: SocketAddr,
    head: &str,
    body: &[u8],
) -> Result<Answer> {
    let mut stream = connect(config, server)?;
    stream.sock.set_read_timeout(Some(ANSWER_WITHIN))?;
    let length = body.len();
    write!(
        stream,
        "{head}Host: {server}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(body)?;
    stream.flush()?;
    let mut octets = Vec::new();
    if let Err(error) = stream.read_to_end(&mut octets)
        && error.kind() != std::io::ErrorKind::UnexpectedEof
    {
        return Err(error).context("read the answer");
    }
    understand(&octets)
}

/// A text over plain HTTP, such as metrics.
pub(crate) fn get_plain(url: &str) -> Result<String> {
    let rest = url
        .strip_prefix("http://")
        .with_context(|| format!("{url} is plain HTTP"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let server: SocketAddr = host.parse().with_context(|| format!("understand {url}"))?;
    let mut stream = TcpStream::connect_timeout(&server, CONNECT_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets)?;
    let answer = understand(&octets)?;
    if answer.status != 200 {
        bail!("{url}: {}", answer.status);
    }
    String::from_utf8(answer.body).context("the answer is text")
}

fn understand(octets: &[u8]) -> Result<Answer> {
    let end = octets
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("an answer has a head")?;
    let head = std::str::from_utf8(&octets[..end]).context("the head is text")?;
    let mut lines = head.split("\r\n");
    let start = lines.next().unwrap_or_default();
    let status = start.split(' ').nth(1).and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let rest = &octets[end + 4..];
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Ok(Answer {
        status: status.with_context(|| format!("a status line, not {start:?}"))?,
        headers,
        body: if chunked {
            unchunk(rest)?
        } else {
            rest.to_vec()
        },
    })
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|two| two == b"\r\n")
            .context("a chunk has a size")?;
        let size = std::str::from_utf8(&rest[..end])?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
        let start = end + 2;
        if size == 0 {
            return Ok(body);
        }
        let Some(chunk) = rest.get(start..start + size) else {
            bail!("a chunk ends too early");
        };
        body.extend_from_slice(chunk);
        rest = rest
            .get(start + size + 2..)
            .context("a chunk ends with a line end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_chunks_is_put_together() {
        let octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n";
        let answer = understand(octets).unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, b"Wikipedia".as_slice())
        );
    }

    #[test]
    fn an_answer_with_a_length_is_taken_as_it_is() {
        let answer = understand(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n[]").unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (404, b"[]".as_slice())
        );
    }
}
