//! What a phone is asked, and what it answers.

use carillon_model::Random;
use carillon_sip::dialog::Dialog;
use carillon_sip::transaction::{self, ServerKey};
use carillon_sip::{Message, Method, Name};

use super::ask::ALLOWED;
use super::conversation::{Repeated, voice_target};
use super::{Conversation, Phone, Stage};
use crate::clock;

impl Phone {
    pub(super) fn requested(&mut self, key: ServerKey, request: Message) {
        let inside = request.to().is_ok_and(|to| to.tag().is_some());
        let own = self.is_mine(&request);
        let code = match request.method() {
            Some(Method::Options) => 200,
            Some(_) if inside && !own => 481,
            Some(Method::Invite) if inside => return self.renegotiate(key, &request),
            Some(Method::Invite) => return self.ring(key, request),
            Some(Method::Bye) => return self.other_hangs_up(key, &request),
            Some(Method::Update) => return self.updated(key, &request),
            Some(Method::Info) => 200,
            Some(_) | None => 405,
        };
        self.respond(key, Message::response_to(&request, code, ""));
    }

    fn is_mine(&self, request: &Message) -> bool {
        let dialog = self
            .conversation
            .as_ref()
            .and_then(|talk| talk.dialog.as_ref());
        dialog.is_some_and(|dialog| dialog.is_of(request))
    }

    pub(super) fn respond(&mut self, key: ServerKey, message: Message) {
        let input = transaction::Input::Respond { key, message };
        self.layer.handle_input(clock::now_ms(), input);
        self.settle();
    }

    /// A call comes in.
    fn ring(&mut self, key: ServerKey, invite: Message) {
        let busy = self
            .conversation
            .as_ref()
            .is_some_and(|talk| talk.stage != Stage::Over);
        if busy {
            return self.respond(key, Message::response_to(&invite, 486, ""));
        }
        let tag = self.dice.token(8);
        let contact = self.contact().to_bytes();
        let Ok(dialog) = Dialog::new_uas(&invite, &tag, contact.clone()) else {
            return self.respond(key, Message::response_to(&invite, 400, ""));
        };
        let mut ringing = Message::response_to(&invite, 180, "");
        ringing.add_to_tag(&tag);
        ringing.headers.push(Name::Contact, contact);
        let mut talk = Conversation::new(Stage::Ringing, invite);
        talk.server = Some(key.clone());
        talk.dialog = Some(dialog);
        talk.answer_at_us = self
            .answers_after_ms
            .map(|after_ms| clock::now_us() + after_ms * 1000);
        self.conversation = Some(talk);
        self.respond(key, ringing);
    }

    /// Somebody lifts the receiver.
    pub(super) fn accept(&mut self) {
        let version = 1;
        let sdp = self.description(version, "sendrecv");
        let Some(talk) = &mut self.conversation else {
            return;
        };
        let (Some(key), Some(dialog)) = (talk.server.clone(), &mut talk.dialog) else {
            return;
        };
        dialog.confirm_answered();
        let mut response = Message::response_to(&talk.invite, 200, "");
        response.add_to_tag(dialog.local_tag.as_str());
        response.headers.push(Name::Contact, dialog.contact.clone());
        response.headers.push(Name::Allow, ALLOWED);
        response.set_body("application/sdp", sdp);
        talk.stage = Stage::Talking;
        talk.code = Some(200);
        if let Some(voice) = voice_target(&talk.invite) {
            talk.talk_to(voice);
        }
        talk.repeated = Some(Repeated::new(key.clone(), response.clone()));
        self.respond(key, response);
    }

    /// Nobody is to answer this call.
    pub(super) fn decline(&mut self) {
        let Some(talk) = &mut self.conversation else {
            return;
        };
        let mut response = Message::response_to(&talk.invite, 486, "");
        if let Some(dialog) = &talk.dialog {
            response.add_to_tag(dialog.local_tag.as_str());
        }
        let key = talk.server.clone();
        talk.over();
        if let Some(key) = key {
            self.respond(key, response);
        }
    }

    /// The ACK of a 200 of ours.
    pub(super) fn acknowledged(&mut self, ack: &Message) {
        if !self.is_mine(ack) {
            return;
        }
        let Some(talk) = &mut self.conversation else {
            return;
        };
        talk.repeated = None;
    }

    fn other_hangs_up(&mut self, key: ServerKey, bye: &Message) {
        let stage = self.stage();
        if stage == Some(Stage::Ringing)
            && let Some(code) = self.temper.early_bye()
        {
            return self.respond(key, Message::response_to(bye, code, ""));
        }
        self.respond(key, Message::response_to(bye, 200, ""));
        if let Some(talk) = &mut self.conversation {
            talk.ended_well = true;
            talk.over();
        }
    }

    /// The caller has given up.
    pub(super) fn cancelled(&mut self, key: ServerKey) {
        let Some(talk) = &mut self.conversation else {
            return;
        };
        if talk.server.as_ref() != Some(&key) || talk.stage != Stage::Ringing {
            return;
        }
        talk.over();
        talk.is_silenced = true;
        let mut response = Message::response_to(&talk.invite, 487, "");
        if let Some(dialog) = &talk.dialog {
            response.add_to_tag(dialog.local_tag.as_str());
        }
        self.respond(key, response);
    }
}
