//! Who is let in over HTTP, and what everybody else is told.

use serde_json::{Value, json};

use super::client::{Held, Reply, Request, ask};
use super::served::Served;
use super::{Faces, ORIGIN, OTHER_TOKEN, TOKEN};

/// What a request is owed.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    pub(super) status: u16,
    /// What its body says, among other things.
    pub(super) says: Vec<&'static str>,
    /// What its body does not say.
    pub(super) not: Vec<&'static str>,
    /// A header and its value.
    pub(super) header: Option<(&'static str, &'static str)>,
}

impl Owed {
    const fn status(status: u16) -> Self {
        Self { status, says: Vec::new(), not: Vec::new(), header: None }
    }

    fn says(mut self, words: &[&'static str]) -> Self {
        self.says.extend(words);
        self
    }

    fn not(mut self, words: &[&'static str]) -> Self {
        self.not.extend(words);
        self
    }

    const fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }
}

/// How an answer is not what is owed.
pub(super) fn wrong(owed: &Owed, reply: &Reply) -> Option<String> {
    if reply.status != owed.status {
        return Some(format!("{} was answered, and {} is owed: {}", reply.status, owed.status, reply.body));
    }
    if reply.header("content-type") != Some("application/json") || reply.json().is_null() {
        return Some(format!("the answer is no JSON: {:?} {}", reply.header("content-type"), reply.body));
    }
    if let Some(word) = owed.says.iter().find(|word| !reply.body.contains(**word)) {
        return Some(format!("the answer does not say `{word}`: {}", reply.body));
    }
    if let Some(word) = owed.not.iter().find(|word| reply.body.contains(**word)) {
        return Some(format!("the answer says `{word}`: {}", reply.body));
    }
    if let Some((name, value)) = owed.header.filter(|(name, value)| reply.header(name) != Some(*value)) {
        return Some(format!("the answer has `{name}: {:?}`, and not `{value}`", reply.header(name)));
    }
    // What is refused says why: by a code and in words.
    let error = reply.json()["error"].clone();
    let (code, message) = (&error["code"], error["message"].as_str().unwrap_or_default());
    let is_told = (code.is_i64() || code.as_str().is_some_and(|code| !code.is_empty())) && !message.is_empty();
    (owed.status >= 400 && owed.status != 503 && !is_told).then(|| format!("it does not say why: {}", reply.body))
}

/// A message that begins a session.
fn hello() -> Request {
    let about =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "misrule", "version": "1"}});
    Request::rpc("initialize", &about)
}

/// A call that touches no provider.
fn call(arguments: &Value) -> Request {
    Request::rpc("tools/call", &json!({"name": "user_navigated_to_step", "arguments": arguments}))
}

pub(super) fn hold(served: &Served, told: &mut Faces) {
    let address = served.address();
    for (what, request, owed) in cases() {
        let wrong = match ask(address, &request) {
            Ok(reply) => wrong(&owed, &reply),
            Err(why) => Some(why),
        };
        told.hold(wrong.is_none(), || format!("{what}: {}", wrong.unwrap_or_default()));
    }
    // A connection carries one request after the other, also after one that was refused.
    let Some(mut kept) = Held::open(address) else {
        told.broken.push("no connection was taken".to_owned());
        return;
    };
    for (request, status) in [(hello(), 401), (hello().of(TOKEN), 200), (hello().of(TOKEN), 200)] {
        let reply = kept.ask(&request).map(|reply| reply.status);
        told.hold(reply == Ok(status), || format!("on one connection {reply:?} was answered, and {status} is owed"));
    }
}

fn cases() -> Vec<(&'static str, Request, Owed)> {
    let mut cases = strangers();
    cases.extend(clients());
    cases.extend(pages());
    cases.extend(deliveries());
    cases
}

fn strangers() -> Vec<(&'static str, Request, Owed)> {
    let refused = || {
        Owed::status(401)
            .says(&["UNAUTHORIZED", "authorization: Bearer"])
            .header("www-authenticate", "Bearer")
            .not(&[TOKEN])
    };
    vec![
        ("no token", hello(), refused()),
        ("a wrong token", hello().of("t0ken-of-eve-0000"), refused()),
        ("the beginning of a token", hello().of(&TOKEN[..TOKEN.len() - 1]), refused()),
        ("a token and more", hello().of(&format!("{TOKEN}0")), refused()),
        ("another case", hello().of(&TOKEN.to_ascii_uppercase()), refused()),
        ("two tokens", hello().of(TOKEN).of(OTHER_TOKEN), refused()),
        ("another scheme", hello().with("authorization", &format!("Basic {TOKEN}")), refused()),
        ("two hosts", hello().of(TOKEN).with("host", "localhost"), Owed::status(400).says(&["BAD_HOST", "host"])),
        (
            "a name before the host",
            hello().without("host").with("host", "ann@localhost").of(TOKEN),
            Owed::status(400).says(&["BAD_HOST"]),
        ),
        ("a foreign host", hello().without("host").with("host", "evil.example").of(TOKEN), Owed::status(403)),
        ("a foreign web page", hello().of(TOKEN).with("origin", "https://evil.example"), Owed::status(403)),
        ("nothing there", Request::new("GET", "/"), Owed::status(404).says(&["NOT_FOUND", "/mcp", "/api/health"])),
        ("a way that there is not", Request::new("GET", "/mcp").of(TOKEN), Owed::status(405).header("allow", "POST")),
    ]
}

fn clients() -> Vec<(&'static str, Request, Owed)> {
    let begun = || Owed::status(200).says(&["\"serverInfo\"", "\"giftgenius\"", "\"instructions\"", "\"tools\""]);
    let mut cases = vec![
        ("a known user", hello().of(TOKEN), begun()),
        ("another user", hello().of(OTHER_TOKEN), begun()),
        ("a scheme in small letters", hello().with("authorization", &format!("bearer {TOKEN}")), begun()),
        ("a host with its port", hello().without("host").with("host", "localhost:8080").of(TOKEN), begun()),
        ("a known web page", hello().of(TOKEN).with("origin", ORIGIN), begun()),
        ("who takes streams only", hello().of(TOKEN).with("accept", "text/event-stream"), Owed::status(406)),
        (
            "a call",
            call(&json!({"workflow_id": "wf_nobody_knows", "step": "generate_ideas"})).of(TOKEN),
            Owed::status(200).says(&[
                "\"isError\":true",
                "WORKFLOW",
                "\"structuredContent\"",
                "Tell the person",
                "correlation_id",
            ]),
        ),
        ("arguments that are no object", call(&json!([1])).of(TOKEN), Owed::status(200).says(&["INVALID_ARGUMENTS"])),
    ];
    for accepted in ["application/json", "*/*", "application/*", "application/json;q=0.9, text/html"] {
        cases.push(("who takes JSON", hello().of(TOKEN).with("accept", accepted), begun()));
    }
    cases
}

/// The health page: the whole of it for whoever may see it, a word for everybody else.
fn pages() -> Vec<(&'static str, Request, Owed)> {
    let page = || Request::new("GET", "/api/health");
    let whole =
        || Owed::status(200).says(&["\"status\":\"ok\"", "\"store\"", "\"providers\"", "\"sagas\"", "\"checkout\""]);
    let word = || Owed::status(200).says(&["\"status\":\"ok\""]).not(&["store", "providers", "sagas", "checkout"]);
    let elsewhere = || page().without("host").with("host", "evil.example");
    vec![
        ("health, from this machine", page(), whole()),
        ("health, with a port", page().without("host").with("host", "LOCALHOST:8080"), whole()),
        ("health, of this machine's address", page().without("host").with("host", "[::1]:8080"), whole()),
        ("health, under a foreign name", elsewhere(), word()),
        ("health, under a foreign name with a token", elsewhere().of(TOKEN), whole()),
        ("health, under a foreign name with a wrong token", elsewhere().of("t0ken-of-eve-0000"), word()),
        ("health, passed on", page().with("x-forwarded-for", "192.0.2.1"), word()),
        ("health, passed on otherwise", page().with("forwarded", "for=192.0.2.1"), word()),
        ("health, passed on by address", page().with("x-real-ip", "192.0.2.1"), word()),
        ("health, passed on with a token", page().with("x-forwarded-for", "192.0.2.1").of(TOKEN), whole()),
    ]
}

fn deliveries() -> Vec<(&'static str, Request, Owed)> {
    let post = |body: &str| Request::new("POST", "/webhooks/payment").saying(body);
    let signed = "t=1700000000,v1=0000000000000000000000000000000000000000000000000000000000000000";
    let header = giftgenius::webhooks::SIGNATURE_HEADER;
    let long = "x".repeat(giftgenius::webhooks::BODY_BYTES_MAX + 1);
    vec![
        ("a delivery without a signature", post("{}"), Owed::status(400).says(&["REFUSED"])),
        ("a delivery that another signed", post("{}").with(header, signed), Owed::status(401).says(&["REFUSED"])),
        ("two signatures", post("{}").with(header, signed).with(header, signed), Owed::status(400).says(&["REFUSED"])),
        ("a delivery that is too long", post(&long), Owed::status(413).says(&["TOO_LARGE"])),
    ]
}

/// What a proxy passes on comes from elsewhere, whatever it says of it.
pub(super) fn of_proxies(served: &Served, proxies: &str, is_one: bool, told: &mut Faces) {
    let page = ask(served.address(), &Request::new("GET", "/api/health"));
    let shows_all = page.as_ref().map(|page| page.body.contains("\"store\""));
    told.hold(shows_all == Ok(!is_one), || format!("with the proxies {proxies} the health page is {page:?}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Reply { status, headers, body: body.to_owned() }
    }

    #[test]
    fn an_answer_is_held_to_status_words_headers_and_reason() {
        let told = r#"{"error":{"code":"UNAUTHORIZED","message":"send a token"}}"#;
        let owed = Owed::status(401).says(&["UNAUTHORIZED"]).not(&["t0ken"]);
        assert_eq!(wrong(&owed, &reply(401, told)), None);
        let table = [
            (owed.clone(), reply(200, told), "200 was answered"),
            (owed.clone(), reply(401, "no"), "no JSON"),
            (owed.clone(), Reply { headers: Vec::new(), ..reply(401, told) }, "no JSON"),
            (owed.clone(), reply(401, r#"{"error":{"code":"X","message":"m"}}"#), "does not say `UNAUTHORIZED`"),
            (owed.clone(), reply(401, r#"{"error":{"code":"UNAUTHORIZED","message":"t0ken"}}"#), "says `t0ken`"),
            (owed.clone(), reply(401, r#"{"error":{"code":"UNAUTHORIZED","message":""}}"#), "does not say why"),
            (owed.clone().header("www-authenticate", "Bearer"), reply(401, told), "and not `Bearer`"),
        ];
        for (owed, reply, said) in table {
            let wrong = wrong(&owed, &reply);
            assert!(wrong.as_ref().is_some_and(|wrong| wrong.contains(said)), "{said}: {wrong:?}");
        }
    }
}
