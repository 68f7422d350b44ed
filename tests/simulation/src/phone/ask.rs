//! What a phone asks, and what it is answered.

use carillon_model::Random;
use carillon_sip::dialog::Dialog;
use carillon_sip::transaction::ClientKey;
use carillon_sip::{CSeq, Message, Method, Name};

use super::conversation::{target, voice_target};
use super::{Asked, Conversation, Phone, Purpose, Stage, Told};

/// What phones say that they can do.
pub(super) const ALLOWED: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO";

impl Phone {
    /// Calls a number.
    pub(crate) fn call(&mut self, number: &str) {
        let to = Self::public(number);
        let mut invite = Message::request(Method::Invite, to.uri.clone());
        let via = self.via();
        let tag = self.dice.token(8);
        let call_id = self.dice.token(20);
        let own = Self::public(&self.username);
        let headers = &mut invite.headers;
        headers.push(Name::Via, via);
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, own.with_tag(&tag));
        headers.push(Name::To, to);
        headers.push(Name::CallId, call_id);
        headers.push(Name::CSeq, CSeq::new(1, Method::Invite));
        headers.push(Name::Contact, self.contact());
        headers.push(Name::Allow, ALLOWED);
        invite.set_body("application/sdp", self.description(1, "sendrecv"));
        self.conversation = Some(Conversation::new(Stage::Calling, invite.clone()));
        let home = self.home;
        self.ask(Purpose::Invite, invite, home);
    }

    /// Gives its call up while nobody has answered (RFC 3261 §9.1).
    pub(super) fn cancel(&mut self) {
        let Some(talk) = &mut self.conversation else {
            return;
        };
        talk.leaves_at_once = true;
        let invite = talk.invite.clone();
        let (Some(uri), Ok(cseq)) = (invite.uri(), invite.cseq()) else {
            return;
        };
        let mut cancel = Message::request(Method::Cancel, uri.clone());
        for name in [
            Name::Via,
            Name::MaxForwards,
            Name::From,
            Name::To,
            Name::CallId,
        ] {
            if let Some(value) = invite.headers.get(name.clone()) {
                cancel.headers.push(name, value.clone());
            }
        }
        cancel
            .headers
            .push(Name::CSeq, CSeq::new(cseq.number, Method::Cancel));
        let home = self.home;
        self.ask(Purpose::Cancel, cancel, home);
    }

    pub(super) fn responded(&mut self, key: ClientKey, response: &Message) {
        let Some(asked) = self.asked.get(&key).cloned() else {
            return;
        };
        if !self.is_about_now(&asked) {
            return;
        }
        let Asked {
            purpose,
            request,
            asked_us,
        } = asked;
        match purpose {
            Purpose::Register { cseq } => {
                self.register_answered(cseq, &request, asked_us, response);
            }
            Purpose::Invite => self.invite_answered(&request, asked_us, response),
            // What becomes of the call says the answer to the INVITE.
            Purpose::Cancel => {}
            Purpose::Bye => self.bye_answered(asked_us, response),
            Purpose::Change { holds } => self.change_answered(holds, &request, asked_us, response),
        }
    }

    pub(super) fn unanswered(&mut self, key: ClientKey) {
        let Some(asked) = self.asked.remove(&key) else {
            return;
        };
        if !self.is_about_now(&asked) {
            return;
        }
        let asked_us = asked.asked_us;
        let method = match asked.purpose {
            Purpose::Register { .. } => return self.register_unanswered(asked_us),
            Purpose::Cancel => return,
            Purpose::Invite => "INVITE",
            Purpose::Bye => "BYE",
            Purpose::Change { .. } => "re-INVITE",
        };
        self.tell(Told::Unanswered { method, asked_us });
        match asked.purpose {
            // A dialog in which a request times out is ended (RFC 3261 §12.2.1.2).
            Purpose::Change { .. } => self.hang_up(),
            _ => self.over(),
        }
    }

    /// Not about a call that was over before the present one began.
    fn is_about_now(&self, asked: &Asked) -> bool {
        let present = self.conversation.as_ref().map(|talk| talk.invite.call_id());
        matches!(asked.purpose, Purpose::Register { .. })
            || present == Some(asked.request.call_id())
    }

    /// A response to nothing that is open: a repeated 200 to our INVITE whose transaction is over.
    pub(super) fn responded_late(&mut self, response: &Message) {
        let invite = response
            .cseq()
            .is_ok_and(|cseq| cseq.method == Method::Invite);
        if invite && response.status() == Some(200) {
            self.acknowledge_again(response);
        }
    }

    fn invite_answered(&mut self, invite: &Message, asked_us: u64, response: &Message) {
        let Some(code) = response.status() else {
            return;
        };
        let Some(talk) = &mut self.conversation else {
            return;
        };
        match code {
            ..180 => {}
            180..200 => {
                if talk.stage == Stage::Calling {
                    talk.stage = Stage::Ringing;
                }
            }
            200..300 => self.connected(invite, response),
            401 if !talk.leaves_at_once && !invite.headers.contains(Name::Authorization) => {
                self.invite_again(invite, response);
            }
            300.. => {
                talk.code = Some(code);
                self.tell(Told::Refused {
                    method: "INVITE",
                    code,
                    asked_us,
                });
                self.over();
            }
        }
    }

    fn invite_again(&mut self, invite: &Message, response: &Message) {
        let Some(proof) = self.proof(invite, response) else {
            return self.over();
        };
        let mut again = invite.clone();
        let via = self.via();
        again.headers.set(Name::Via, via);
        again.headers.set(Name::CSeq, CSeq::new(2, Method::Invite));
        again.headers.push(Name::Authorization, proof);
        if let Some(talk) = &mut self.conversation {
            talk.invite = again.clone();
        }
        let home = self.home;
        self.ask(Purpose::Invite, again, home);
    }

    fn connected(&mut self, invite: &Message, response: &Message) {
        let via = self.via();
        let contact = self.contact().to_bytes();
        let number = self.peer_of(invite);
        let Some(talk) = &mut self.conversation else {
            return;
        };
        if talk.dialog.is_some() {
            return self.acknowledge_again(response);
        }
        let Some(to) = invite.uri() else { return };
        let Ok(dialog) = Dialog::new_uac(response, contact, to) else {
            return;
        };
        let cseq = invite.cseq().map_or(0, |cseq| cseq.number);
        let ack = dialog.ack(cseq, via).to_bytes();
        let to = target(&dialog);
        talk.dialog = Some(dialog);
        talk.ack = Some((ack.clone(), to));
        talk.code = response.status();
        talk.stage = Stage::Talking;
        if let Some(voice) = voice_target(response) {
            talk.talk_to(voice);
        }
        let leaves = talk.leaves_at_once;
        self.send(to, ack);
        self.tell(Told::Connected { number });
        if leaves {
            self.hang_up();
        }
    }

    fn acknowledge_again(&mut self, response: &Message) {
        let Some(talk) = &self.conversation else {
            return;
        };
        let same = talk.invite.call_id() == response.call_id();
        if let Some((ack, to)) = talk.ack.clone().filter(|_| same) {
            self.send(to, ack);
        }
    }

    fn bye_answered(&mut self, asked_us: u64, response: &Message) {
        let Some(code) = response.status().filter(|code| *code >= 200) else {
            return;
        };
        let Some(talk) = &mut self.conversation else {
            return;
        };
        talk.goodbye = Some(code);
        // 481 where the call has ended over the phone's answer to its owner, before its BYE got through.
        talk.ended_well = code == 200 || (code == 481 && talk.is_missed);
        if !talk.ended_well {
            self.tell(Told::Refused {
                method: "BYE",
                code,
                asked_us,
            });
        }
        self.over();
    }

    fn over(&mut self) {
        if let Some(talk) = &mut self.conversation {
            talk.over();
        }
    }

    /// The number that an INVITE is for.
    fn peer_of(&self, invite: &Message) -> String {
        let user = invite.uri().and_then(|uri| uri.user());
        user.unwrap_or_default().to_owned()
    }
}
