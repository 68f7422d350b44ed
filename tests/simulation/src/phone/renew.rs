//! Changes of a call that is there: asked for by the phone, or by the owner of the call.

use carillon_sip::dialog::Dialog;
use carillon_sip::transaction::ServerKey;
use carillon_sip::{Message, Method, Name};

use super::conversation::{Change, Repeated, target, voice_target};
use super::temper::Temper;
use super::{Conversation, Phone, Purpose, Stage, Told};
use crate::clock;

impl Phone {
    /// Puts the other phone on hold, or takes it back.
    pub(crate) fn hold(&mut self, holds: bool) {
        let Some(talk) = &mut self.conversation else {
            return;
        };
        if talk.stage != Stage::Talking || talk.change.is_some() {
            return;
        }
        talk.change = Some(Change {
            holds,
            cseq: 0,
            retry_at_us: None,
        });
        self.change();
    }

    /// Whether it holds the other phone, as the cluster has confirmed it.
    pub(crate) fn holds(&self) -> bool {
        self.conversation.as_ref().is_some_and(|talk| talk.holds)
    }

    fn change(&mut self) {
        let via = self.via();
        let Some(talk) = &mut self.conversation else {
            return;
        };
        let (Some(dialog), Some(change)) = (&mut talk.dialog, &mut talk.change) else {
            return;
        };
        change.retry_at_us = None;
        let holds = change.holds;
        let mut invite = dialog.request(Method::Invite, via);
        let to = target(dialog);
        change.cseq = dialog.local_cseq();
        if !invite.headers.contains(Name::Contact) {
            invite.headers.push(Name::Contact, dialog.contact.clone());
        }
        talk.sdp_version += 1;
        talk.silent = holds;
        let description = self.present_description();
        invite.set_body("application/sdp", description);
        self.ask(Purpose::Change { holds }, invite, to);
    }

    pub(super) fn change_due(&mut self, now_us: u64) {
        let change = self
            .conversation
            .as_ref()
            .and_then(|talk| talk.change.as_ref());
        let retry_at_us = change.and_then(|change| change.retry_at_us);
        if retry_at_us.is_some_and(|at_us| at_us <= now_us) {
            self.change();
        }
    }

    pub(super) fn change_answered(
        &mut self,
        holds: bool,
        invite: &Message,
        asked_us: u64,
        response: &Message,
    ) {
        let Some(code) = response.status().filter(|code| *code >= 200) else {
            return;
        };
        let via = self.via();
        let pause_ms = self.dice.within(2_100..4_000);
        let Some(talk) = &mut self.conversation else {
            return;
        };
        let Some(dialog) = &mut talk.dialog else {
            return;
        };
        let cseq = invite.cseq().map_or(0, |cseq| cseq.number);
        // A repeated answer may come when a later request is under way.
        let is_present = talk
            .change
            .as_ref()
            .is_some_and(|change| change.cseq == cseq);
        match code {
            200..300 => {
                dialog.refresh_target(response);
                let ack = dialog.ack(cseq, via).to_bytes();
                let to = target(dialog);
                talk.ack = Some((ack.clone(), to));
                if is_present {
                    talk.change = None;
                    talk.holds = holds;
                }
                if let Some(voice) = voice_target(response).filter(|_| talk.stage == Stage::Talking)
                {
                    talk.talk_to(voice);
                }
                self.send(to, ack);
            }
            // Somebody else wants to change it too, or the owner is busy with it (RFC 3261 §14.1).
            491 | 500 => {
                if let Some(change) = &mut talk.change {
                    change.retry_at_us = Some(clock::now_us() + pause_ms * 1000);
                }
            }
            _ => {
                talk.change = None;
                self.tell(Told::Refused {
                    method: "re-INVITE",
                    code,
                    asked_us,
                });
                if matches!(code, 408 | 481) {
                    self.hang_up();
                }
            }
        }
    }

    /// A new description within the call, from its owner or from the heir of its owner.
    pub(super) fn renegotiate(&mut self, key: ServerKey, invite: &Message) {
        let temper = self.temper;
        let Some(talk) = &mut self.conversation else {
            return;
        };
        let Some(dialog) = &mut talk.dialog else {
            return;
        };
        if is_out_of_order(dialog, invite) {
            return self.respond(key, Message::response_to(invite, 500, ""));
        }
        if talk.is_silenced {
            if let Some(code) = temper.silenced() {
                self.respond(key, Message::response_to(invite, code, ""));
            }
            return;
        }
        if let Some(code) = talk.refusal(temper) {
            return self.respond(key, Message::response_to(invite, code, ""));
        }
        let Some(dialog) = &mut talk.dialog else {
            return;
        };
        dialog.refresh_target(invite);
        let contact = dialog.contact.clone();
        if let Some(voice) = voice_target(invite) {
            talk.talk_to(voice);
        }
        let mut response = Message::response_to(invite, 200, "");
        response.headers.push(Name::Contact, contact);
        response.set_body("application/sdp", self.present_description());
        if let Some(talk) = &mut self.conversation {
            talk.repeated = Some(Repeated::new(key.clone(), response.clone()));
        }
        self.respond(key, response);
    }

    /// An UPDATE: news of where the owner is.
    pub(super) fn updated(&mut self, key: ServerKey, update: &Message) {
        let follows = self.temper.follows_update();
        let Some(talk) = &mut self.conversation else {
            return;
        };
        let Some(dialog) = &mut talk.dialog else {
            return;
        };
        if talk.stage == Stage::Over {
            return self.respond(key, Message::response_to(update, 481, ""));
        }
        if is_out_of_order(dialog, update) {
            return self.respond(key, Message::response_to(update, 500, ""));
        }
        if follows {
            dialog.refresh_target(update);
        }
        let mut response = Message::response_to(update, 200, "");
        response.headers.push(Name::Contact, dialog.contact.clone());
        if !update.body.is_empty() {
            response.set_body("application/sdp", self.present_description());
        }
        self.respond(key, response);
    }

    /// What the phone says of its media now.
    fn present_description(&self) -> String {
        let Some(talk) = &self.conversation else {
            return String::new();
        };
        let direction = if talk.silent { "sendonly" } else { "sendrecv" };
        self.description(talk.sdp_version, direction)
    }
}

impl Conversation {
    /// How a phone refuses a re-INVITE that it cannot take now.
    fn refusal(&mut self, temper: Temper) -> Option<u16> {
        let waits = self.repeated.is_some() && temper.waits_for_ack();
        match self.stage {
            Stage::Leaving | Stage::Over => {
                self.is_missed = true;
                Some(temper.hung_up())
            }
            Stage::Calling => Some(500),
            Stage::Ringing => {
                let (code, rings_on) = temper.still_rings();
                if !rings_on {
                    self.over();
                    self.is_silenced = true;
                }
                Some(code)
            }
            Stage::Talking if waits || self.is_changing() => Some(491),
            Stage::Talking => None,
        }
    }
}

/// Whether a new request has a number that the phone has had already: as pjsua, which answers 500 to the same number as to
/// a lower one.
fn is_out_of_order(dialog: &mut Dialog, request: &Message) -> bool {
    let last = dialog.remote_cseq();
    let had = request.cseq().is_ok_and(|cseq| last == Some(cseq.number));
    dialog.accept(request).is_err() || had
}
