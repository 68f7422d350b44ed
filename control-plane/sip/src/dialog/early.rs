use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Dialog, DialogError};
use crate::{Message, Uri};

/// Early dialogs of one INVITE at most; a proxy that forks wider is heard no further.
pub const MAX_EARLY_DIALOGS: usize = 8;

/// The dialogs that the responses to one INVITE made: more than one when a proxy forked it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EarlyDialogs {
    dialogs: Vec<Dialog>,
}

impl EarlyDialogs {
    /// The dialog of a provisional response, made if it is new. `None`: the response has no tag and
    /// makes no dialog, or there are too many.
    pub fn provisional(
        &mut self,
        response: &Message,
        contact: &Bytes,
        to: &Uri,
    ) -> Result<Option<&mut Dialog>, DialogError> {
        let address = response.to()?;
        let Some(tag) = address.tag() else {
            return Ok(None);
        };
        let at = match self
            .dialogs
            .iter()
            .position(|dialog| dialog.remote_tag == *tag)
        {
            Some(at) => at,
            None if self.dialogs.len() == MAX_EARLY_DIALOGS => return Ok(None),
            None => {
                self.dialogs
                    .push(Dialog::new_uac(response, contact.clone(), to)?);
                self.dialogs.len() - 1
            }
        };
        Ok(self.dialogs.get_mut(at))
    }

    /// The dialog that a 2xx confirms, taken out, or made when no provisional response came before.
    pub fn confirm(
        &mut self,
        response: &Message,
        contact: &Bytes,
        to: &Uri,
    ) -> Result<Dialog, DialogError> {
        let address = response.to()?;
        let tag = address.tag().ok_or(DialogError::Tag)?;
        match self
            .dialogs
            .iter()
            .position(|dialog| dialog.remote_tag == *tag)
        {
            Some(at) => {
                let mut dialog = self.dialogs.remove(at);
                dialog.confirm(response)?;
                Ok(dialog)
            }
            None => Dialog::new_uac(response, contact.clone(), to),
        }
    }

    /// The dialog with this tag of the peer.
    pub fn with_remote_tag(&mut self, tag: &str) -> Option<&mut Dialog> {
        self.dialogs
            .iter_mut()
            .find(|dialog| dialog.remote_tag == *tag)
    }

    /// All of them, first made first.
    pub fn iter(&self) -> impl Iterator<Item = &Dialog> {
        self.dialogs.iter()
    }

    /// All of them, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Dialog> {
        self.dialogs.iter_mut()
    }

    /// Forgets them all: the INVITE failed.
    pub fn clear(&mut self) {
        self.dialogs.clear();
    }
}
