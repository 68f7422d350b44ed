use super::{Direction, Media, SessionDescription};

/// How an answer does not fit its offer (RFC 3264 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// Another number of media sections than offered.
    #[error("another number of media sections than offered")]
    Sections,
    /// A section is of another kind or profile than offered at its place.
    #[error("section {0} is of another kind or profile than offered")]
    Kind(usize),
    /// A section that was offered with port zero is taken up.
    #[error("section {0} was not on offer")]
    NotOffered(usize),
    /// No format of a section was offered.
    #[error("section {0} has no format that was offered")]
    Formats(usize),
    /// A direction that the offer does not leave.
    #[error("section {0} has a direction that the offer does not leave")]
    Direction(usize),
}

/// Whether a description can be the answer to an offer.
pub fn check_answer(
    offer: &SessionDescription,
    answer: &SessionDescription,
) -> Result<(), AnswerFault> {
    if offer.media.len() != answer.media.len() {
        return Err(AnswerFault::Sections);
    }
    for (place, (offered, answered)) in offer.media.iter().zip(&answer.media).enumerate() {
        let same = |one: &str, two: &str| one.eq_ignore_ascii_case(two);
        if !same(&offered.kind, &answered.kind) {
            return Err(AnswerFault::Kind(place));
        }
        if answered.port == 0 {
            continue;
        }
        if !same(&offered.protocol, &answered.protocol) {
            return Err(AnswerFault::Kind(place));
        }
        if offered.port == 0 {
            return Err(AnswerFault::NotOffered(place));
        }
        if !shares_a_format(offered, answered) {
            return Err(AnswerFault::Formats(place));
        }
        let (wanted, given) = (offer.direction(offered), answer.direction(answered));
        if given.within(wanted) != given {
            return Err(AnswerFault::Direction(place));
        }
    }
    Ok(())
}

fn shares_a_format(offered: &Media, answered: &Media) -> bool {
    if !super::common_codecs(offered, answered).is_empty() {
        return true;
    }
    let unmapped = |format: &str| {
        format
            .parse()
            .ok()
            .and_then(|p| answered.codec(p))
            .is_none()
    };
    answered
        .formats
        .iter()
        .any(|format| unmapped(format) && offered.formats.contains(format))
}

impl SessionDescription {
    /// The direction that is in force once `answer` has answered this offer, seen from the maker
    /// of the offer. An answer that takes more than it was left is cut down to it.
    pub fn agreed_direction(&self, answer: &Self, place: usize) -> Option<Direction> {
        let offered = self.media.get(place)?;
        let answered = answer.media.get(place)?;
        let given = answer.direction(answered).within(self.direction(offered));
        Some(if answered.port == 0 {
            Direction::Inactive
        } else {
            given.reversed()
        })
    }
}
