use std::fmt;

use bytes::Bytes;

use crate::error::Malformed;
use crate::scan::is_token;
use crate::text::Text;

/// The longest name that can be one of those known here.
const LONGEST: usize = 24;

macro_rules! names {
    ($($variant:ident $canonical:literal $lower:literal $($compact:literal)?;)*) => {
        /// The name of a header. Compact forms and upper and lower case are one name
        /// (RFC 3261 §7.3.1, §7.3.3); a name not known here keeps its spelling.
        #[derive(Debug, Clone)]
        #[allow(missing_docs, reason = "each is the header of its name")]
        pub enum Name {
            $($variant,)*
            /// A header of no name known here.
            Extension(Text),
        }

        impl Name {
            /// The name as we write it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $canonical,)*
                    Self::Extension(name) => name,
                }
            }

            fn from_lower(lower: &[u8]) -> Option<Self> {
                $(const _: () = assert!($lower.len() <= LONGEST);)*
                Some(match lower {
                    $($lower $(| $compact)? => Self::$variant,)*
                    _ => return None,
                })
            }

            /// Every name known here.
            #[cfg(test)]
            pub(crate) const KNOWN: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

names! {
    Accept "Accept" b"accept";
    AcceptContact "Accept-Contact" b"accept-contact" b"a";
    AcceptEncoding "Accept-Encoding" b"accept-encoding";
    AcceptLanguage "Accept-Language" b"accept-language";
    AlertInfo "Alert-Info" b"alert-info";
    Allow "Allow" b"allow";
    AllowEvents "Allow-Events" b"allow-events" b"u";
    AnswerMode "Answer-Mode" b"answer-mode";
    AuthenticationInfo "Authentication-Info" b"authentication-info";
    Authorization "Authorization" b"authorization";
    CallId "Call-ID" b"call-id" b"i";
    CallInfo "Call-Info" b"call-info";
    Contact "Contact" b"contact" b"m";
    ContentDisposition "Content-Disposition" b"content-disposition";
    ContentEncoding "Content-Encoding" b"content-encoding" b"e";
    ContentLanguage "Content-Language" b"content-language";
    ContentLength "Content-Length" b"content-length" b"l";
    ContentType "Content-Type" b"content-type" b"c";
    CSeq "CSeq" b"cseq";
    Date "Date" b"date";
    Diversion "Diversion" b"diversion";
    ErrorInfo "Error-Info" b"error-info";
    Event "Event" b"event" b"o";
    Expires "Expires" b"expires";
    FlowTimer "Flow-Timer" b"flow-timer";
    From "From" b"from" b"f";
    HistoryInfo "History-Info" b"history-info";
    Identity "Identity" b"identity" b"y";
    InReplyTo "In-Reply-To" b"in-reply-to";
    Join "Join" b"join";
    MaxForwards "Max-Forwards" b"max-forwards";
    MimeVersion "MIME-Version" b"mime-version";
    MinExpires "Min-Expires" b"min-expires";
    MinSe "Min-SE" b"min-se";
    Organization "Organization" b"organization";
    PAccessNetworkInfo "P-Access-Network-Info" b"p-access-network-info";
    PAssertedIdentity "P-Asserted-Identity" b"p-asserted-identity";
    PEarlyMedia "P-Early-Media" b"p-early-media";
    PPreferredIdentity "P-Preferred-Identity" b"p-preferred-identity";
    Path "Path" b"path";
    Priority "Priority" b"priority";
    Privacy "Privacy" b"privacy";
    ProxyAuthenticate "Proxy-Authenticate" b"proxy-authenticate";
    ProxyAuthorization "Proxy-Authorization" b"proxy-authorization";
    ProxyRequire "Proxy-Require" b"proxy-require";
    RAck "RAck" b"rack";
    RSeq "RSeq" b"rseq";
    Reason "Reason" b"reason";
    RecordRoute "Record-Route" b"record-route";
    ReferSub "Refer-Sub" b"refer-sub";
    ReferTo "Refer-To" b"refer-to" b"r";
    ReferredBy "Referred-By" b"referred-by" b"b";
    RejectContact "Reject-Contact" b"reject-contact" b"j";
    RemotePartyId "Remote-Party-ID" b"remote-party-id";
    Replaces "Replaces" b"replaces";
    ReplyTo "Reply-To" b"reply-to";
    RequestDisposition "Request-Disposition" b"request-disposition" b"d";
    Require "Require" b"require";
    RetryAfter "Retry-After" b"retry-after";
    Route "Route" b"route";
    Server "Server" b"server";
    ServiceRoute "Service-Route" b"service-route";
    SessionExpires "Session-Expires" b"session-expires" b"x";
    SipEtag "SIP-ETag" b"sip-etag";
    SipIfMatch "SIP-If-Match" b"sip-if-match";
    Subject "Subject" b"subject" b"s";
    SubscriptionState "Subscription-State" b"subscription-state";
    Supported "Supported" b"supported" b"k";
    TargetDialog "Target-Dialog" b"target-dialog";
    Timestamp "Timestamp" b"timestamp";
    To "To" b"to" b"t";
    Unsupported "Unsupported" b"unsupported";
    UserAgent "User-Agent" b"user-agent";
    UserToUser "User-to-User" b"user-to-user";
    Via "Via" b"via" b"v";
    Warning "Warning" b"warning";
    WwwAuthenticate "WWW-Authenticate" b"www-authenticate";
}

impl Name {
    /// Reads a name; refuses what is not a token.
    pub fn parse(octets: &Bytes) -> Result<Self, Malformed> {
        if let Some(known) = Self::known(octets) {
            return Ok(known);
        }
        if octets.is_empty() || !octets.iter().copied().all(is_token) {
            return Err(Malformed("header name is not a token"));
        }
        Ok(Self::Extension(
            Text::from_utf8(octets.clone()).expect("a token is ASCII"),
        ))
    }

    /// A name of our own that is not known here, such as `X-Site`.
    pub const fn extension(name: &'static str) -> Self {
        Self::Extension(Text::from_static(name))
    }

    pub(crate) fn known(octets: &[u8]) -> Option<Self> {
        let mut lower = [0; LONGEST];
        let lower = lower.get_mut(..octets.len())?;
        lower.copy_from_slice(octets);
        lower.make_ascii_lowercase();
        Self::from_lower(lower)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Extension(one), Self::Extension(two)) => one.eq_ignore_ascii_case(two),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Name {}

impl std::str::FromStr for Name {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_read_in_any_case_and_as_its_compact_form() {
        for name in Name::KNOWN {
            assert_eq!(name.as_str().parse::<Name>().as_ref(), Ok(name));
            assert_eq!(
                name.as_str().to_uppercase().parse::<Name>().as_ref(),
                Ok(name)
            );
        }
        for (compact, name) in [
            ("v", Name::Via),
            ("F", Name::From),
            ("x", Name::SessionExpires),
        ] {
            assert_eq!(compact.parse::<Name>(), Ok(name));
        }
    }

    #[test]
    fn a_name_not_known_keeps_its_spelling_and_compares_without_case() {
        let name: Name = "X-Grandstream-PBX".parse().unwrap();
        assert_eq!(name.as_str(), "X-Grandstream-PBX");
        assert_eq!(name, Name::extension("x-grandstream-pbx"));
        assert!("X Y".parse::<Name>().is_err());
        assert!("".parse::<Name>().is_err());
    }
}
