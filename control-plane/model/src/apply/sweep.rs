use super::Changes;
use crate::{Binding, EndpointId, Outcome, State, TokenHash};

impl State {
    /// Takes away what has expired.
    pub(super) fn sweep(&mut self, changes: &mut Changes) -> Outcome {
        let now_ms = changes.at.now_ms;
        let has_expired = |bindings: &[Binding]| {
            bindings
                .iter()
                .any(|binding| binding.expires_at_ms <= now_ms)
        };
        let rows = self
            .bindings
            .iter()
            .filter(|(_, bindings)| has_expired(bindings.as_slice()));
        let endpoints: Vec<EndpointId> = rows.map(|(endpoint, _)| *endpoint).collect();
        let mut bindings = 0;
        for endpoint in endpoints {
            let live: Vec<Binding> = self.live_bindings(endpoint, now_ms).cloned().collect();
            bindings += (self.bindings(endpoint).len() - live.len()) as u32;
            self.write_bindings(changes, endpoint, live);
        }
        let rows = self
            .tokens
            .iter()
            .filter(|(_, token)| token.expires_at_ms <= now_ms);
        let tokens: Vec<TokenHash> = rows.map(|(hash, _)| *hash).collect();
        tokens.iter().for_each(|hash| {
            self.tokens.remove(hash);
        });
        Outcome::Swept {
            bindings,
            tokens: tokens.len() as u32,
        }
    }
}
