//! A part of `nothing-leaked`: what came out of the system's processes on the wire, as it came, by a table of what may come out
//! where.

use super::Findings;
use super::evidence::Evidence;
use crate::canary::TOKEN_PREFIX;
use crate::trace::{Channel, Heard};

/// What a text can give away, beside what may come out nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Given {
    /// The token with which a user calls.
    Token,
    /// The name of a payment method.
    Method,
    /// The id of a session, an order or a workflow.
    Identifier,
}

impl Given {
    const fn name(self) -> &'static str {
        match self {
            Self::Token => "a user's token",
            Self::Method => "a payment method",
            Self::Identifier => "somebody's session or order",
        }
    }

    /// Whether it may come out there. That an answer goes to the right person is what `isolated` is about.
    const fn may_come_out(self, channel: Channel) -> bool {
        match (self, channel) {
            (Self::Method | Self::Identifier, Channel::Answer | Channel::Journal)
            | (Self::Identifier, Channel::Stderr) => true,
            (Self::Token, _)
            | (Self::Method, Channel::Stderr)
            | (Self::Method | Self::Identifier, Channel::Headers | Channel::Health) => false,
        }
    }
}

/// Holds every text that was heard to the table; `leaks` says whether there is in it what may come out nowhere.
pub(super) fn judge(evidence: &Evidence<'_>, leaks: impl Fn(&str, Channel) -> bool, findings: &mut Findings) {
    if evidence.trace.heard.is_empty() {
        return;
    }
    let known = known(evidence);
    for heard in &evidence.trace.heard {
        let place = heard.channel.place();
        if leaks(&heard.text, heard.channel) {
            findings.add(format!("a planted secret came out in {place}"), heard.at.checked_sub(1));
        }
        let given = known.iter().find(|(given, text)| {
            !given.may_come_out(heard.channel) && heard.text.contains(text) && !is_what_was_asked(*given, heard, text)
        });
        if let Some((given, _)) = given {
            findings.add(format!("{} came out in {place}", given.name()), heard.at.checked_sub(1));
        }
    }
}

/// Whether a line of the log names a payment method as what a call asked for, which a script that makes the call again needs,
/// and nowhere else.
fn is_what_was_asked(given: Given, heard: &Heard, text: &str) -> bool {
    const ASKED: &str = "\"method\":\"";
    if given != Given::Method || heard.channel != Channel::Stderr {
        return false;
    }
    // Whatever is named there, a name may be the beginning of another.
    let (first, rest) = heard.text.split_once(ASKED).unwrap_or((&heard.text, ""));
    let others = rest.split(ASKED).filter_map(|part| part.split_once('"')).map(|(_, after)| after);
    !std::iter::once(first).chain(others).any(|part| part.contains(text))
}

/// What the run has that could come out.
fn known<'a>(evidence: &Evidence<'a>) -> Vec<(Given, &'a str)> {
    let mut known = vec![(Given::Token, TOKEN_PREFIX)];
    known.extend(evidence.calls.iter().filter_map(|call| Some((Given::Method, call.text("payment_method_id")?))));
    known.extend(evidence.orders.iter().map(|order| (Given::Identifier, order.id)));
    known.extend(evidence.sessions.iter().map(|session| (Given::Identifier, session.id)));
    // A word that is no name of anything could stand anywhere.
    known.retain(|(_, text)| text.len() > 4);
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::nothing_leaked::NOTHING_LEAKED;
    use crate::oracle::testing::Run;

    /// A sale in which a text came out.
    fn heard(channel: Channel, text: &str) -> Run {
        let mut run = Run::sale();
        run.canaries = crate::canary::CANARIES.to_vec();
        let at = run.record.trace.events.len();
        run.record.trace.heard.push(Heard { channel, at, text: text.to_owned() });
        run
    }

    #[test]
    fn what_may_come_out_depends_on_the_place() {
        use Channel::{Answer, Headers, Health, Journal, Stderr};
        let secret = format!("x {} y", crate::canary::RAW_BODY);
        let token = format!("Bearer {TOKEN_PREFIX}ada");
        for (text, fine) in [
            (secret.as_str(), &[][..]),
            (token.as_str(), &[]),
            ("{\"payment_method_id\":\"pm_visa\"}", &[Answer, Journal]),
            ("{\"asked\":{\"method\":\"pm_visa\"}}", &[Answer, Journal, Stderr]),
            ("{\"asked\":{\"method\":\"pm_visa_debit\"}}", &[Answer, Journal, Stderr]),
            ("{\"asked\":{\"method\":\"pm_visa\"},\"message\":\"pm_visa was refused\"}", &[Answer, Journal]),
            ("location: /orders/ord_1", &[Answer, Journal, Stderr]),
            ("nothing to see", &[Answer, Headers, Health, Journal, Stderr]),
        ] {
            for channel in [Answer, Headers, Health, Journal, Stderr] {
                heard(channel, text).kept_if(&NOTHING_LEAKED, fine.contains(&channel));
            }
        }
    }

    #[test]
    fn a_card_number_is_known_by_its_form_where_there_are_texts_only() {
        heard(Channel::Stderr, "card 4242 4242 4242 4242").broken(&NOTHING_LEAKED);
        // The bytes of a database's page may look like one.
        heard(Channel::Journal, "4242424242424242").kept(&NOTHING_LEAKED);
    }
}
