use bytes::Bytes;

use super::{CSEQ_BLOCK, Dialog, DialogError, DialogState, Role};
use crate::{FieldError, Message, Name, NameAddr, Text, Uri};

impl Dialog {
    /// The dialog that our answer to this request makes (RFC 3261 §12.1.1); early until
    /// [`Dialog::confirm_answered`].
    pub fn new_uas(
        request: &Message,
        local_tag: &str,
        contact: Bytes,
    ) -> Result<Self, DialogError> {
        let remote_tag = request.from()?.tag().unwrap_or_default().into();
        Ok(Self {
            call_id: call_id(request)?,
            local_tag: local_tag.into(),
            remote_tag,
            role: Role::Uas,
            state: DialogState::Early,
            contact,
            local: tagged(raw(request, Name::To)?, local_tag),
            remote: raw(request, Name::From)?,
            local_cseq: 0,
            local_cseq_reserved: CSEQ_BLOCK,
            remote_cseq: Some(request.cseq()?.number),
            route_set: request.record_routes()?,
            remote_target: target(request)?,
        })
    }

    /// The dialog that a response to our request makes (RFC 3261 §12.1.2). Without a usable Contact
    /// requests go to `to`, as the first one did: a 2xx must be acknowledged in any case.
    pub fn new_uac(response: &Message, contact: Bytes, to: &Uri) -> Result<Self, DialogError> {
        let confirmed = response.status().is_some_and(|code| code >= 200);
        let remote_tag = response.to()?.tag().ok_or(DialogError::Tag)?.into();
        let remote_target = target(response).unwrap_or_else(|_| to.clone());
        let number = response.cseq()?.number;
        Ok(Self {
            call_id: call_id(response)?,
            local_tag: response.from()?.tag().ok_or(DialogError::Tag)?.into(),
            remote_tag,
            role: Role::Uac,
            state: if confirmed {
                DialogState::Confirmed
            } else {
                DialogState::Early
            },
            contact,
            local: raw(response, Name::From)?,
            remote: raw(response, Name::To)?,
            local_cseq: number,
            local_cseq_reserved: number.saturating_add(CSEQ_BLOCK),
            remote_cseq: None,
            route_set: reversed(response.record_routes()?),
            remote_target,
        })
    }

    /// The peer's 2xx confirms the dialog: route set and target are those of the 2xx
    /// (RFC 3261 §13.2.2.4).
    pub fn confirm(&mut self, response: &Message) -> Result<(), DialogError> {
        self.refresh_target(response);
        self.route_set = reversed(response.record_routes()?);
        self.state = DialogState::Confirmed;
        Ok(())
    }

    /// Our 2xx confirms the dialog.
    pub fn confirm_answered(&mut self) {
        self.state = DialogState::Confirmed;
    }

    /// The same request answered with another tag is another dialog, as if a proxy had forked it.
    #[must_use]
    pub fn forked(&self, request_to: &Bytes, local_tag: &str) -> Self {
        Self {
            local_tag: local_tag.into(),
            local: tagged(request_to.clone(), local_tag),
            local_cseq: 0,
            local_cseq_reserved: CSEQ_BLOCK,
            ..self.clone()
        }
    }
}

/// The one Contact of a message that makes or refreshes a dialog.
pub(super) fn target(message: &Message) -> Result<Uri, DialogError> {
    let contacts = message.contacts()?;
    contacts
        .single()
        .map(|contact| contact.address.uri.clone())
        .ok_or(DialogError::Contact)
}

fn call_id(message: &Message) -> Result<Text, DialogError> {
    Text::from_utf8(raw(message, Name::CallId)?).ok_or(DialogError::Field(FieldError::Malformed(
        Name::CallId,
        "not UTF-8",
    )))
}

fn raw(message: &Message, name: Name) -> Result<Bytes, DialogError> {
    let value = message.headers.get(name.clone()).cloned();
    value.ok_or(DialogError::Field(FieldError::Missing(name)))
}

fn tagged(to: Bytes, tag: &str) -> Bytes {
    let mut value = to.to_vec();
    value.extend_from_slice(b";tag=");
    value.extend_from_slice(tag.as_bytes());
    value.into()
}

fn reversed(mut routes: Vec<NameAddr>) -> Vec<NameAddr> {
    routes.reverse();
    routes
}
