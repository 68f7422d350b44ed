//! Our scenarios, with what a test may choose filled in.

/// A SIPp scenario, ready to be written to a file.
#[derive(Debug, Clone)]
pub struct Scenario {
    name: &'static str,
    text: String,
}

impl Scenario {
    /// Registers with a password for `expires_s` seconds, and ends `stay_ms` after it is registered.
    pub fn register(expires_s: u32, stay_ms: u32) -> Self {
        Self::fill(
            "register",
            include_str!("../../scenarios/register.xml"),
            &[("expires_s", expires_s), ("stay_ms", stay_ms)],
        )
    }

    /// Calls with a password, talks for `talk_ms`, hangs up.
    pub fn caller(talk_ms: u32) -> Self {
        Self::fill(
            "caller",
            include_str!("../../scenarios/caller.xml"),
            &[("talk_ms", talk_ms)],
        )
    }

    /// Rings for `ring_ms`, answers, and is hung up on.
    pub fn callee(ring_ms: u32) -> Self {
        Self::fill(
            "callee",
            include_str!("../../scenarios/callee.xml"),
            &[("ring_ms", ring_ms)],
        )
    }

    /// Calls with a password, is called back by the node that has taken the call over, and hangs up there `talk_ms` later.
    pub fn caller_followed(talk_ms: u32) -> Self {
        Self::fill(
            "caller_followed",
            include_str!("../../scenarios/caller_followed.xml"),
            &[("talk_ms", talk_ms)],
        )
    }

    /// Rings for `ring_ms`, answers, is called back by the node that has taken the call over, and is hung up on.
    pub fn callee_followed(ring_ms: u32) -> Self {
        Self::fill(
            "callee_followed",
            include_str!("../../scenarios/callee_followed.xml"),
            &[("ring_ms", ring_ms)],
        )
    }

    fn fill(name: &'static str, text: &str, values: &[(&str, u32)]) -> Self {
        let mut text = text.to_owned();
        for (key, value) in values {
            text = text.replace(&format!("{{{{{key}}}}}"), &value.to_string());
        }
        Self { name, text }
    }

    /// The same behind a server's challenge, to let two scenarios talk without a server between them.
    #[must_use]
    pub fn behind_challenge(mut self) -> Self {
        const CHALLENGE: &str = include_str!("../../scenarios/challenge.part.xml");
        let first = self.text.find("<recv").unwrap_or(self.text.len());
        self.text.insert_str(first, CHALLENGE);
        self
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled() {
        for scenario in [
            Scenario::register(120, 0),
            Scenario::caller(1),
            Scenario::callee(1),
            Scenario::caller_followed(1),
            Scenario::callee_followed(1),
        ] {
            assert!(!scenario.text().contains("{{"), "{}", scenario.name());
        }
    }
}
