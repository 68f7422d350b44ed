use carillon_model::{Binding, BindingChange, Flow, SipEndpoint};
use carillon_sip::{Contact, Contacts, Message, Name, NameAddr, Refusal, Uri};

use crate::Switch;

impl Switch {
    /// What a REGISTER changes; nothing for one that only asks. All of it or a refusal (RFC 3261 §10.3 step 7).
    pub(super) fn plan(
        &self,
        endpoint: &SipEndpoint,
        flow: &Flow,
        request: &Message,
    ) -> Result<Vec<BindingChange>, Refusal> {
        let (Some(call_id), Ok(cseq)) = (request.call_id(), request.cseq()) else {
            return Err(Refusal::new(400));
        };
        let (call_id, cseq) = (call_id.to_owned(), cseq.number);
        let list = match request.contacts()? {
            Contacts::Star if request.expires() == Some(0) => {
                return Ok(vec![BindingChange::RemoveAll {
                    endpoint: endpoint.id,
                    call_id,
                    cseq,
                }]);
            }
            Contacts::Star => return Err(bad("Contact * needs Expires 0")),
            Contacts::List(list) => list,
        };
        let mut changes = Vec::with_capacity(list.len());
        for contact in &list {
            let uri = self.usable(contact)?;
            let stored = self.stored_spelling(endpoint, &uri);
            let lifetime_s = self.lifetime_s(contact, request)?;
            changes.push(if lifetime_s == 0 {
                let (call_id, contact) = (call_id.clone(), stored);
                BindingChange::Remove {
                    endpoint: endpoint.id,
                    contact,
                    call_id,
                    cseq,
                }
            } else {
                let (instance, reg_id) = outbound_of(contact, request);
                let binding = Binding {
                    contact: stored,
                    instance,
                    reg_id,
                    q: contact.q(),
                    path: path_of(request)?,
                    call_id: call_id.clone(),
                    cseq,
                    flow: *flow,
                    expires_at_ms: self.now_ms + u64::from(lifetime_s) * 1000,
                    user_agent: request
                        .headers
                        .text(Name::UserAgent)
                        .map(|agent| shortened(agent).to_owned()),
                    updated_at_ms: 0,
                };
                BindingChange::Put {
                    endpoint: endpoint.id,
                    binding,
                }
            });
        }
        self.within_limit(endpoint, &changes)?;
        Ok(changes)
    }

    /// The URI of a contact that can be called: a SIP URI that does not lead back to us.
    fn usable(&self, contact: &Contact) -> Result<Uri, Refusal> {
        let uri = contact.address.uri.without_headers();
        if !uri.is_sip() {
            return Err(bad("Contact is not a SIP URI"));
        }
        let default = if uri
            .as_str()
            .get(..4)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips"))
        {
            5061
        } else {
            5060
        };
        let address = uri
            .host()
            .and_then(|host| host.socket(uri.port().unwrap_or(default)));
        if address.is_some_and(|address| self.is_listener(address)) {
            return Err(bad("Contact is this server"));
        }
        Ok(uri)
    }

    /// The same contact as it was written before, so that it is known by its text (RFC 3261 §10.2.4).
    fn stored_spelling(&self, endpoint: &SipEndpoint, uri: &Uri) -> String {
        let mut stored = self
            .contacts(endpoint.id)
            .into_iter()
            .map(|binding| &binding.contact);
        let known = stored.find(|contact| {
            *contact == uri.as_str() || contact.parse::<Uri>().is_ok_and(|known| known.matches(uri))
        });
        known.cloned().unwrap_or_else(|| uri.as_str().to_owned())
    }

    fn lifetime_s(&self, contact: &Contact, request: &Message) -> Result<u32, Refusal> {
        let limits = &self.config.registrar;
        let asked_s = contact
            .expires()
            .or_else(|| request.expires())
            .unwrap_or(limits.default_expires_s);
        if asked_s == 0 {
            return Ok(0);
        }
        if asked_s < limits.min_expires_s {
            let mut refusal = Refusal::new(423);
            refusal
                .headers
                .push((Name::MinExpires, limits.min_expires_s.to_string().into()));
            return Err(refusal);
        }
        Ok(asked_s.min(limits.max_expires_s))
    }

    fn within_limit(
        &self,
        endpoint: &SipEndpoint,
        changes: &[BindingChange],
    ) -> Result<(), Refusal> {
        let stored: Vec<&Binding> = self.contacts(endpoint.id);
        let mut new = 0;
        let mut gone = 0;
        for change in changes {
            match change {
                BindingChange::Put { binding, .. } => {
                    new += usize::from(!stored.iter().any(|old| old.same_contact(binding)));
                }
                BindingChange::Remove { contact, .. } => {
                    gone += stored.iter().filter(|old| old.contact == *contact).count();
                }
                BindingChange::RemoveAll { .. } | BindingChange::RemoveFlow { .. } => {}
            }
        }
        if new > 0 && stored.len() + new > self.config.registrar.contacts + gone {
            return Err(Refusal {
                reason: "Too Many Contacts".to_owned(),
                ..Refusal::new(403)
            });
        }
        Ok(())
    }
}

/// The flow that a phone keeps open (RFC 5626): only if it says that it can.
fn outbound_of(contact: &Contact, request: &Message) -> (Option<String>, Option<u32>) {
    let instance = contact
        .instance()
        .map(|instance| shortened(&instance).to_owned());
    let reg_id = contact
        .reg_id()
        .filter(|id| *id > 0 && request.supports("outbound"));
    let flow = reg_id.filter(|_| instance.is_some());
    (instance, flow)
}

fn path_of(request: &Message) -> Result<Vec<String>, Refusal> {
    let path = request.addresses(Name::Path)?;
    Ok(path.iter().map(NameAddr::to_string).collect())
}

/// Text of a phone, no longer than anybody needs.
fn shortened(text: &str) -> &str {
    const OCTETS_MAX: usize = 200;
    let end = text
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= OCTETS_MAX)
        .last();
    if text.len() <= OCTETS_MAX {
        text
    } else {
        &text[..end.unwrap_or(0)]
    }
}

fn bad(what: &str) -> Refusal {
    Refusal {
        reason: format!("Bad Request: {what}"),
        ..Refusal::new(400)
    }
}
