//! What came back for a frame, read as JSON-RPC; and how it is not what is owed.

use serde_json::Value;

use crate::fixable::judge::{self, accepted};
use crate::malform::{Expected, ProtocolError};
use crate::trace::HostReply;

/// What came back where an answer is owed.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Came {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Nothing, for as long as an answer may take.
    Nothing,
    /// The process or the connection is gone, in these words.
    Gone(String),
}

/// How much of what is no message is repeated.
const QUOTE_CHARS_MAX: usize = 100;

/// The answer to the request of this id, or what is wrong with it as one.
pub(super) fn answer(came: &Came, id: &Value) -> Result<HostReply, String> {
    let bytes = match came {
        Came::Bytes(bytes) => bytes,
        Came::Nothing => return Err(String::from("no answer came")),
        Came::Gone(how) => return Err(format!("the system was gone before it answered: {how}")),
    };
    let quoted = || String::from_utf8_lossy(bytes).chars().take(QUOTE_CHARS_MAX).collect::<String>();
    let none = |what: &str| format!("what came back is no message of JSON-RPC ({what}): `{}`", quoted());
    let message: Value = serde_json::from_slice(bytes).map_err(|error| none(&error.to_string()))?;
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(none("`jsonrpc` is not \"2.0\""));
    }
    match message.get("id") {
        None => return Err(String::from("the answer has no id")),
        Some(other) if other != id => {
            let owed = if id.is_null() { "null: no id could be read" } else { "the request's" };
            return Err(format!("the answer carries the id {other}, not {owed}"));
        }
        Some(_) => {}
    }
    match (message.get("result"), message.get("error")) {
        (Some(result), None) => Ok(HostReply::Tool {
            is_error: result.get("isError") == Some(&Value::Bool(true)),
            structured: result.get("structuredContent").unwrap_or(result).clone().into(),
        }),
        (None, Some(error)) => {
            let code = error.get("code").and_then(Value::as_i64);
            let said = error.get("message").and_then(Value::as_str).filter(|message| !message.is_empty());
            let (Some(code), Some(said)) = (code, said) else {
                return Err(none("its error has no code or no message"));
            };
            Ok(HostReply::Protocol { code, message: said.to_owned() })
        }
        (Some(_), Some(_)) => Err(none("it has a result and an error")),
        (None, None) => Err(none("it has neither a result nor an error")),
    }
}

/// What was changed by a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changed {
    /// Whether anything was done at the providers.
    pub(super) effects: bool,
    /// Whether money was moved.
    pub(super) money: bool,
}

/// How the answers to a frame are not those that are owed. None is owed to what is no message.
pub(super) fn wrong(expected: &Expected, answers: &[HostReply], changed: Changed) -> Option<String> {
    if *expected == Expected::EachAnswered {
        return each(answers);
    }
    answers.first().and_then(|answer| judge::wrong(expected, answer, !changed.effects, !changed.money))
}

/// Two calls at once, under one id: one at least is answered as the valid call is. The other may be refused by the protocol,
/// because that id is in use, or by the tool, because the first is at work.
fn each(answers: &[HostReply]) -> Option<String> {
    let may_be = |answer: &&HostReply| match answer {
        HostReply::Protocol { code, .. } => *code == ProtocolError::InvalidRequest.code(),
        HostReply::Tool { .. } => !judge::is_invalid(answer),
        HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer => false,
    };
    match answers.iter().find(|answer| !may_be(answer)) {
        Some(other) => Some(format!("one of the two was answered `{}`", judge::told(other))),
        None if !answers.iter().any(accepted) => Some(String::from("neither was accepted, and the first should go on")),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<HostReply, String> {
        answer(&Came::Bytes(text.as_bytes().to_vec()), &json!(7))
    }

    #[test]
    fn an_answer_is_read_as_what_it_is() {
        let refused = read(r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32700,"message":"no"}}"#);
        assert_eq!(refused, Ok(HostReply::Protocol { code: -32700, message: "no".into() }));
        let failed = read(r#"{"jsonrpc":"2.0","id":7,"result":{"isError":true,"structuredContent":{"error":{}}}}"#);
        assert_eq!(failed, Ok(HostReply::Tool { structured: json!({"error": {}}).into(), is_error: true }));
    }

    #[test]
    fn what_is_no_answer_is_told_as_what_it_is() {
        for (text, said) in [
            ("", "no message of JSON-RPC"),
            ("oops", "`oops`"),
            ("{}", "`jsonrpc`"),
            (r#"{"jsonrpc":"2.0","result":{}}"#, "has no id"),
            (r#"{"jsonrpc":"2.0","id":null,"result":{}}"#, "carries the id null, not the request's"),
            (r#"{"jsonrpc":"2.0","id":"7","result":{}}"#, "carries the id \"7\", not the request's"),
            (r#"{"jsonrpc":"2.0","id":7}"#, "neither"),
            (r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#, "a result and an error"),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"code":"x","message":"no"}}"#, "no code"),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":""}}"#, "no message"),
        ] {
            let why = read(text).expect_err(text);
            assert!(why.contains(said), "{text}: {why}");
        }
        assert!(answer(&Came::Nothing, &json!(7)).is_err_and(|why| why == "no answer came"));
        let gone = answer(&Came::Gone("exit status: 101".into()), &json!(7));
        assert!(gone.is_err_and(|why| why.ends_with("exit status: 101")));
    }

    #[test]
    fn an_answer_is_held_to_channel_code_and_what_it_changed() {
        let none = Changed { effects: false, money: false };
        let parse = Expected::Protocol(ProtocolError::Parse);
        let protocol = |code| HostReply::Protocol { code, message: "no".into() };
        let tool = |code: &str, fields: &[&str]| HostReply::Tool {
            structured: json!({"error": {"code": code, "message": "m", "violations":
                fields.iter().map(|field| json!({"field": field})).collect::<Vec<_>>()}})
            .into(),
            is_error: true,
        };
        let refused = Expected::Refused(vec![String::new()]);
        assert_eq!(wrong(&parse, &[protocol(-32700)], none), None);
        assert_eq!(wrong(&refused, &[tool("INVALID_ARGUMENTS", &[""])], none), None);
        let table = [
            (&parse, protocol(-32600), none, "it should be -32700 (parse error)"),
            (&parse, tool("INVALID_ARGUMENTS", &[""]), none, "an error of the protocol"),
            (&parse, protocol(-32700), Changed { effects: true, money: true }, "something was changed"),
            (&refused, protocol(-32602), none, "refused as invalid"),
            (&refused, tool("INTERNAL", &[""]), none, "refused as invalid"),
            (&refused, tool("INVALID_ARGUMENTS", &["/other"]), none, "does not name"),
        ];
        for (expected, answer, changed, said) in table {
            let why = wrong(expected, std::slice::from_ref(&answer), changed);
            assert!(why.as_ref().is_some_and(|why| why.contains(said)), "{answer:?}: {why:?}");
        }
    }

    #[test]
    fn of_two_under_one_id_one_goes_on() {
        let none = Changed { effects: true, money: true };
        let held = |answers: &[HostReply]| wrong(&Expected::EachAnswered, answers, none);
        let ok = HostReply::Tool { structured: json!({}).into(), is_error: false };
        let busy = HostReply::Protocol { code: -32600, message: "in use".into() };
        let error =
            |code: &str| HostReply::Tool { structured: json!({"error": {"code": code}}).into(), is_error: true };
        assert_eq!(held(&[ok.clone(), ok.clone()]), None);
        assert_eq!(held(&[busy.clone(), ok.clone()]), None);
        assert_eq!(held(&[ok.clone(), error("ORDER_IN_PROGRESS")]), None, "the first is at work");
        for none in [[busy.clone(), busy], [error("ORDER_IN_PROGRESS"), error("ORDER_IN_PROGRESS")]] {
            assert!(held(&none).is_some_and(|why| why.contains("neither was accepted")));
        }
        assert!(held(&[ok.clone(), error("INVALID_ARGUMENTS")]).is_some_and(|why| why.contains("INVALID")));
        let other = HostReply::Protocol { code: -32603, message: "no".into() };
        assert!(held(&[ok, other]).is_some_and(|why| why.contains("-32603")));
    }
}
