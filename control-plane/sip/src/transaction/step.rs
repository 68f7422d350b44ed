use bytes::Bytes;

/// What one event makes a transaction do.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Step {
    /// Octets for the wire.
    pub(super) send: Option<Bytes>,
    /// What its user hears.
    pub(super) tell: Tell,
}

/// What the user of the layer hears of an event.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(super) enum Tell {
    #[default]
    Nothing,
    /// The message itself.
    Message,
    /// Nothing came in time.
    Timeout,
    /// Nothing can be delivered.
    Transport,
}

impl Step {
    pub(super) fn nothing() -> Self {
        Self::default()
    }

    pub(super) fn send(bytes: Bytes) -> Self {
        Self {
            send: Some(bytes),
            tell: Tell::Nothing,
        }
    }

    pub(super) fn tell(tell: Tell) -> Self {
        Self { send: None, tell }
    }
}
