use std::fmt::Write;
use std::net::SocketAddr;

use super::{Host, Scheme, Uri, escape::escape, same};
use crate::error::Malformed;
use crate::text::Text;

/// Characters that a user part holds unescaped besides the unreserved ones (RFC 3261 §25.1).
const USER_PLAIN: &[u8] = b"&=+$,;?/";
const PARAM_PLAIN: &[u8] = b"[]/:&+$";

impl Uri {
    /// `sip:user@address:port`; an empty user leaves the user part out.
    pub fn sip(user: &str, address: SocketAddr) -> Self {
        Self::build(
            Scheme::Sip,
            Some(user),
            Host::from(address.ip()),
            Some(address.port()),
        )
        .expect("an address is a valid host")
    }

    /// A `sip:` or `sips:` URI of its parts; the user is given unescaped. Refuses a host name that
    /// is none.
    pub fn build(
        scheme: Scheme,
        user: Option<&str>,
        host: Host<'_>,
        port: Option<u16>,
    ) -> Result<Self, Malformed> {
        let mut text = String::with_capacity(48);
        text.push_str(match scheme {
            Scheme::Sip => "sip:",
            Scheme::Sips => "sips:",
            Scheme::Tel | Scheme::Other => return Err(Malformed("only SIP URIs have a host")),
        });
        if let Some(user) = user.filter(|user| !user.is_empty()) {
            escape(user.as_bytes(), USER_PLAIN, &mut text);
            text.push('@');
        }
        let _ = write!(text, "{host}");
        if let Some(port) = port {
            let _ = write!(text, ":{port}");
        }
        let uri = Self::from_text(Text::from(text))?;
        let whole_host = uri.params.is_empty() && uri.headers.is_empty() && uri.port == port;
        if whole_host {
            Ok(uri)
        } else {
            Err(Malformed("character that no host has"))
        }
    }

    /// The same URI with another value for a parameter, or with the parameter added.
    #[must_use]
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Self {
        let mut added = String::new();
        escape(name.as_bytes(), PARAM_PLAIN, &mut added);
        if let Some(value) = value {
            added.push('=');
            escape(value.as_bytes(), PARAM_PLAIN, &mut added);
        }
        self.rebuilt(name, Some(&added))
    }

    /// The same URI without a parameter.
    #[must_use]
    pub fn without_param(&self, name: &str) -> Self {
        self.rebuilt(name, None)
    }

    /// The same URI without headers, as it may stand in a request line (RFC 3261 §19.1.5).
    #[must_use]
    pub fn without_headers(&self) -> Self {
        match self.headers() {
            None => self.clone(),
            Some(headers) => {
                let whole = self.as_str();
                Self::from_text(Text::from(&whole[..whole.len() - headers.len() - 1]))
                    .unwrap_or_else(|_| self.clone())
            }
        }
    }

    fn rebuilt(&self, without: &str, added: Option<&str>) -> Self {
        if self.scheme == Scheme::Other {
            return self.clone();
        }
        let base_end = match self.part(self.params.clone()) {
            "" => self.as_str().len() - self.headers().map_or(0, |headers| headers.len() + 1),
            _ => usize::from(self.params.start) - 1,
        };
        let mut text = self.as_str()[..base_end].to_owned();
        for (name, value) in self.params().filter(|(name, _)| !same(name, without)) {
            text.push(';');
            text.push_str(name);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        }
        if let Some(added) = added {
            text.push(';');
            text.push_str(added);
        }
        if let Some(headers) = self.headers() {
            text.push('?');
            text.push_str(headers);
        }
        Self::from_text(Text::from(text)).unwrap_or_else(|_| self.clone())
    }
}
