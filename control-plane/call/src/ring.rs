//! Provisional responses of the callee's contacts.

use bytes::Bytes;
use carillon_sip::{Message, Text};

use crate::Output;
use crate::accept::answer;
use crate::call::Call;
use crate::fork::ForkState;
use crate::media::EarlyMedia;
use crate::phase::Phase;
use crate::turn::{Turn, contact};

impl Call {
    pub(crate) fn fork_proceeds(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        code: u16,
        response: &Message,
    ) {
        match self.forks[index].state {
            ForkState::Trying { .. } => self.forks[index].state = ForkState::Proceeding,
            ForkState::Unwanted { give_up_at_ms } => {
                self.cancel_fork(turn, index);
                self.forks[index].state = ForkState::Cancelled { give_up_at_ms };
                return;
            }
            ForkState::Proceeding => {}
            // What it said before it was silenced, or 100 for the re-INVITE.
            ForkState::Questioned { .. } | ForkState::Reinvited { .. } => return,
            ForkState::Waiting
            | ForkState::Cancelled { .. }
            | ForkState::Over { .. }
            | ForkState::Won => return,
        }
        if code == 100 {
            return;
        }
        let Some(remote_tag) = self.early_dialog(index, response) else {
            self.pass_on(turn, index, code, None);
            return;
        };
        if !self.prack(turn, index, response, &remote_tag) {
            return;
        }
        let sdp = self.early_answer(index, response, remote_tag);
        self.pass_on(turn, index, code, sdp);
    }

    /// The tag of the early dialog that the response belongs to.
    fn early_dialog(&mut self, index: usize, response: &Message) -> Option<Text> {
        let fork = &mut self.forks[index];
        let to = fork.invite.as_ref()?.message.uri()?.clone();
        let contact = contact(fork.target.flow.transport, fork.target.advertised);
        let known = fork.early.iter().count();
        let dialog = fork.early.provisional(response, &contact, &to).ok()??;
        let tag = dialog.remote_tag.clone();
        if fork.early.iter().count() > known {
            // An heir that does not know the dialog cannot ask in it whether the phone has answered.
            self.put(Output::CommitLazily);
        }
        Some(tag)
    }

    /// The first session description of an early dialog is the answer to our offer.
    fn early_answer(
        &mut self,
        index: usize,
        response: &Message,
        remote_tag: Text,
    ) -> Option<(Text, Bytes)> {
        let offered = self.forks[index]
            .invite
            .as_ref()
            .is_some_and(|invite| invite.offers);
        let sdp = answer(response).ok()?.filter(|_| offered)?;
        let sdp = self.forks[index].sdp.heard(sdp);
        let heard = self.forks[index].heard_from(&remote_tag);
        if heard.sdp.is_some() {
            return None;
        }
        heard.sdp = Some(sdp.clone());
        Some((remote_tag, sdp))
    }

    /// The caller hears the first fork that sends media, and whatever else is new.
    fn pass_on(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        code: u16,
        sdp: Option<(Text, Bytes)>,
    ) {
        if !matches!(self.phase, Phase::Ringing { .. }) || !(180..184).contains(&code) {
            return;
        }
        let leg = self.forks[index].leg;
        let first = self.media.early.is_none() && self.ringback.sdp_from.is_none();
        let Some((remote_tag, sdp)) = sdp.filter(|_| first) else {
            // 183 says nothing without a session description.
            if code != 183 {
                self.tell_caller(turn, code, None);
            }
            return;
        };
        self.media.early = Some(EarlyMedia {
            leg,
            remote_tag,
            sdp: sdp.clone(),
        });
        self.put_media();
        let answer = self.answer_for_caller(&sdp);
        self.tell_caller(turn, code, answer.map(|answer| (leg, answer)));
    }
}
