//! Dialogs (RFC 3261 §12) as data: what one node knows of a dialog another can load and carry on.
//!
//! A dialog does not send, does not wait and does not know what its requests are for.

mod create;
mod early;
mod request;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{FieldError, Message, Name, NameAddr, Text, Uri};

pub use early::{EarlyDialogs, MAX_EARLY_DIALOGS};

/// CSeq numbers that are set aside at a time. Whoever takes a stored dialog over goes on behind the
/// block, so that numbers never go back (gaps are legal, RFC 3261 §12.2.2).
pub const CSEQ_BLOCK: u32 = 16;
/// With fewer numbers left in the block the next one is set aside.
const CSEQ_SPARE: u32 = 4;

/// Which side of the dialog we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// We sent the request that created it, and our Call-ID names it.
    Uac,
    /// The peer did.
    Uas,
}

/// How far a dialog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DialogState {
    /// Created by a provisional response.
    Early,
    /// Created or confirmed by a 2xx.
    Confirmed,
}

/// Our view of a dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// The Call-ID.
    pub call_id: Text,
    /// Our tag.
    pub local_tag: Text,
    /// The peer's tag; empty for a peer of RFC 2543.
    pub remote_tag: Text,
    /// Which side we are.
    pub role: Role,
    /// How far it is.
    pub state: DialogState,
    /// Our Contact, as it stands in the header.
    pub contact: Bytes,
    /// From or To of our side as written, with its tag.
    local: Bytes,
    remote: Bytes,
    local_cseq: u32,
    /// No number above this one is used before it has grown.
    local_cseq_reserved: u32,
    remote_cseq: Option<u32>,
    /// In the order in which requests name them.
    route_set: Vec<NameAddr>,
    remote_target: Uri,
}

/// Why a message makes no dialog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    /// A header that dialogs need is missing or not readable.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// There is no single Contact to send to.
    #[error("no usable Contact")]
    Contact,
    /// A response without a tag in To.
    #[error("To has no tag")]
    Tag,
}

/// A request came whose CSeq is lower than that of an earlier one: 500 (RFC 3261 §12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CSeq out of order")]
pub struct OutOfOrder;

impl Dialog {
    /// Takes note of a request of the peer. The number of the last request may come again: a
    /// repetition that no transaction caught.
    pub fn accept(&mut self, request: &Message) -> Result<(), OutOfOrder> {
        let number = request.cseq().map_err(|_| OutOfOrder)?.number;
        if self.remote_cseq.is_some_and(|last| number < last) {
            return Err(OutOfOrder);
        }
        self.remote_cseq = Some(number);
        Ok(())
    }

    /// Follows the Contact of a target refresh request or of its 2xx (RFC 3261 §12.2). The old
    /// target stays when there is none that could be followed.
    pub fn refresh_target(&mut self, message: &Message) {
        if let Ok(target) = create::target(message) {
            self.remote_target = target;
        }
    }

    /// The tags and the Call-ID of a request of the peer are ours.
    pub fn is_of(&self, request: &Message) -> bool {
        let tag = |name| {
            let value = request.headers.get(name)?;
            NameAddr::parse(value)
                .ok()
                .map(|address| address.tag().unwrap_or_default().to_owned())
        };
        request.headers.text(Name::CallId) == Some(&*self.call_id)
            && tag(Name::To).as_deref() == Some(&*self.local_tag)
            && tag(Name::From).as_deref() == Some(&*self.remote_tag)
    }

    /// Sets more numbers aside when few are left. `true`: the dialog must be stored before the
    /// block that it had is used up.
    pub fn reserve_ahead(&mut self) -> bool {
        let low = self.local_cseq_reserved.saturating_sub(self.local_cseq) < CSEQ_SPARE;
        if low {
            self.local_cseq_reserved = self.local_cseq.saturating_add(CSEQ_BLOCK);
        }
        low
    }

    /// Another node goes on from the stored value: behind all numbers that the former owner may
    /// have used, with a Contact of its own.
    pub fn take_over(&mut self, contact: Bytes) {
        self.local_cseq = self.local_cseq_reserved;
        self.local_cseq_reserved = self.local_cseq_reserved.saturating_add(CSEQ_BLOCK);
        self.contact = contact;
    }

    /// Our side as our requests name it in From, and our responses in To when we are the server.
    pub fn local(&self) -> &Bytes {
        &self.local
    }

    /// The peer's side.
    pub fn remote(&self) -> &Bytes {
        &self.remote
    }

    /// The number of our last request.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// The number of the peer's last request.
    pub fn remote_cseq(&self) -> Option<u32> {
        self.remote_cseq
    }

    /// Where requests go in the end.
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// The proxies on the way, nearest first.
    pub fn route_set(&self) -> &[NameAddr] {
        &self.route_set
    }
}

#[cfg(test)]
mod tests;
