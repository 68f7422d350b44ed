use bytes::{BufMut, Bytes, BytesMut};

use super::{Message, StartLine};
use crate::headers::{Headers, Name};
use crate::method::Method;
use crate::reason::reason_phrase;
use crate::uri::Uri;

impl Message {
    /// A request without headers.
    pub fn request(method: Method, uri: Uri) -> Self {
        let start = StartLine::Request { method, uri };
        Self {
            start,
            headers: Headers::with_capacity(16),
            body: Bytes::new(),
        }
    }

    /// A response to a request: its Via lines, From, To, Call-ID and CSeq (RFC 3261 §8.2.6.2). An
    /// empty reason stands for the usual one.
    pub fn response_to(request: &Self, code: u16, reason: &str) -> Self {
        let reason = if reason.is_empty() {
            reason_phrase(code)
        } else {
            reason
        };
        let reason = reason
            .bytes()
            .map(|o| if matches!(o, b'\r' | b'\n') { b' ' } else { o });
        Self {
            start: StartLine::Status {
                code,
                reason: reason.collect(),
            },
            headers: request.headers.response_part(),
            body: Bytes::new(),
        }
    }

    /// Puts a tag to the To header, unless there is one. Octets that are there stay as they are.
    pub fn add_to_tag(&mut self, tag: &str) {
        let Ok(mut to) = self.to() else { return };
        if to.tag().is_none() {
            to.params.set("tag", tag);
            self.headers.set(Name::To, to);
        }
    }

    /// Puts a body with its type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.set(Name::ContentType, content_type.to_owned());
        self.body = body.into();
    }

    /// The message as it goes over the wire, Content-Length included.
    pub fn to_bytes(&self) -> Bytes {
        let values: usize = self
            .headers
            .iter()
            .map(|(n, v)| n.as_str().len() + v.len() + 4)
            .sum();
        let mut out = BytesMut::with_capacity(values + self.body.len() + 160);
        match &self.start {
            StartLine::Request { method, uri } => {
                out.put_slice(method.as_str().as_bytes());
                out.put_u8(b' ');
                out.put_slice(uri.as_octets());
                out.put_slice(b" SIP/2.0\r\n");
            }
            StartLine::Status { code, reason } => {
                out.put_slice(b"SIP/2.0 ");
                out.put_slice(code.to_string().as_bytes());
                out.put_u8(b' ');
                out.put_slice(reason);
                out.put_slice(b"\r\n");
            }
        }
        for (name, value) in self.headers.iter() {
            out.put_slice(name.as_str().as_bytes());
            out.put_slice(b": ");
            out.put_slice(value);
            out.put_slice(b"\r\n");
        }
        out.put_slice(b"Content-Length: ");
        out.put_slice(self.body.len().to_string().as_bytes());
        out.put_slice(b"\r\n\r\n");
        out.put_slice(&self.body);
        out.freeze()
    }
}
