use carillon_model::{Binding, BindingChange, EndpointId};
use carillon_sip::{Message, Name};

use super::{Pending, keeps_flow};
use crate::Switch;

impl Switch {
    /// 200 with every contact of the endpoint (RFC 3261 §10.3 step 8).
    pub(super) fn confirm(&mut self, pending: &Pending, changes: &[BindingChange]) {
        let mut response = Message::response_to(&pending.request, 200, "");
        for binding in self.present(pending.endpoint, changes) {
            response
                .headers
                .push(Name::Contact, contact(&binding, self.now_ms));
        }
        for path in pending.request.headers.get_all(Name::Path) {
            response.headers.push(Name::Path, path.clone());
        }
        response.headers.push(Name::Supported, "path, outbound");
        // RFC 5626 §6: the phone keeps its flow open, with empty lines on a stream and with STUN over UDP.
        if keeps_flow(changes) {
            response.headers.push(Name::Require, "outbound");
        }
        self.answer(pending.key.clone(), response);
    }

    /// The live contacts, the committed changes among them even where the state that was handed in is older.
    fn present(&self, endpoint: EndpointId, changes: &[BindingChange]) -> Vec<Binding> {
        let mut present: Vec<Binding> = self.contacts(endpoint).into_iter().cloned().collect();
        for change in changes {
            match change {
                BindingChange::Put { binding, .. } => {
                    match present.iter_mut().find(|known| known.same_contact(binding)) {
                        Some(known)
                            if known.cseq < binding.cseq || known.call_id != binding.call_id =>
                        {
                            *known = binding.clone();
                        }
                        Some(_) => {}
                        None => present.push(binding.clone()),
                    }
                }
                BindingChange::Remove { contact, .. } => {
                    present.retain(|known| known.contact != *contact)
                }
                BindingChange::RemoveAll { call_id, cseq, .. } => {
                    present.retain(|known| known.call_id == *call_id && known.cseq > *cseq);
                }
                BindingChange::RemoveFlow { flow, .. } => {
                    present.retain(|known| known.flow != *flow)
                }
            }
        }
        present
    }
}

fn contact(binding: &Binding, now_ms: u64) -> String {
    let left_s = binding.expires_at_ms.saturating_sub(now_ms).div_ceil(1000);
    let mut text = format!("<{}>;expires={left_s}", binding.contact);
    if binding.q < 1000 {
        text.push_str(&format!(";q=0.{:03}", binding.q));
    }
    if let Some(instance) = &binding.instance {
        text.push_str(&format!(
            ";+sip.instance=\"{}\"",
            instance.replace(['"', '\\'], "")
        ));
    }
    if let Some(reg_id) = binding.reg_id {
        text.push_str(&format!(";reg-id={reg_id}"));
    }
    text
}
