//! The real binary over HTTP: both protocol revisions, authentication, the health page, the commands beside it.

mod support;

use serde_json::{Value, json};
use support::{ANN, BOB, HttpServer, Reply, configured, giftgenius, initialize_2025, output, request, tools};

fn post(server: &HttpServer, headers: &[(&str, &str)], body: &Value) -> Reply {
    let headers = [&[("content-type", "application/json")], headers].concat();
    server.send("POST", "/mcp", &headers, &body.to_string())
}

#[test]
fn a_client_of_2025_11_25_shakes_hands_lists_and_calls() {
    let server = HttpServer::start();
    let hello = server.rpc(ANN, "initialize", initialize_2025());
    assert_eq!(hello["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(hello["result"]["serverInfo"]["name"], "giftgenius");
    assert!(hello["result"]["instructions"].as_str().is_some_and(|text| text.contains("idempotency_key")));

    tools(&server.rpc(ANN, "tools/list", json!({})));

    let unknown = server.rpc(ANN, "tools/call", json!({ "name": "buy_everything", "arguments": {} }));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    assert!(unknown["error"]["message"].as_str().is_some_and(|text| text.contains("`buy_everything`")), "{unknown}");
}

#[test]
fn a_client_of_2026_07_28_discovers_lists_and_calls_without_a_handshake() {
    let server = HttpServer::start();
    let found = server.rpc_2026(ANN, "server/discover", json!({}));
    let versions = found["result"]["supportedVersions"].as_array().expect("a list of versions");
    assert!(versions.contains(&json!("2026-07-28")) && versions.contains(&json!("2025-11-25")), "{found}");

    let listed = server.rpc_2026(ANN, "tools/list", json!({}));
    assert_eq!(listed["result"]["resultType"], "complete");
    assert_eq!(tools(&listed), tools(&server.rpc(ANN, "tools/list", json!({}))), "both revisions see the same tools");

    let unknown = server.rpc_2026(ANN, "tools/call", json!({ "name": "buy_everything" }));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}

#[test]
fn a_call_answers_with_the_correlation_id_it_came_with() {
    let server = HttpServer::start();
    let known = tools(&server.rpc(ANN, "tools/list", json!({})));
    let call = json!({
        "name": "get_order",
        "arguments": { "no_such_field": 1 },
        "_meta": { "correlation_id": "req-7", "idempotency_key": "k-7" },
    });
    for reply in [server.rpc(ANN, "tools/call", call.clone()), server.rpc_2026(ANN, "tools/call", call)] {
        if known.iter().any(|name| name == "get_order") {
            let result = &reply["result"];
            assert_eq!(
                (&result["isError"], &result["_meta"]["correlation_id"]),
                (&json!(true), &json!("req-7")),
                "{reply}"
            );
            assert_eq!(result["structuredContent"]["error"]["code"], "INVALID_ARGUMENTS", "{reply}");
            assert!(result["content"][0]["text"].is_string(), "{reply}");
        } else {
            assert_eq!(reply["error"]["code"], -32602, "{reply}");
        }
    }
}

#[test]
fn a_plain_client_that_takes_json_or_does_not_say_is_served() {
    let server = HttpServer::start();
    let token = format!("Bearer {BOB}");
    for accept in [&[][..], &[("accept", "*/*")], &[("accept", "application/json")]] {
        let headers = [&[("authorization", token.as_str())], accept].concat();
        let reply = post(&server, &headers, &request(1, "tools/list", &json!({})));
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.head.contains("content-type: application/json"), "{reply:?}");
        tools(&reply.json());
    }
}

#[test]
fn nobody_gets_in_without_a_known_token() {
    let mut server = HttpServer::start();
    let wrong = format!("Bearer {ANN}x");
    let basic = format!("Basic {ANN}");
    for headers in [&[][..], &[("authorization", wrong.as_str())], &[("authorization", basic.as_str())]] {
        let reply = post(&server, headers, &request(1, "tools/list", &json!({})));
        assert_eq!(reply.status, 401, "{reply:?}");
        assert!(reply.head.contains("www-authenticate: bearer"), "{reply:?}");
        assert_eq!(reply.json()["error"]["code"], "UNAUTHORIZED");
        let line = server.server.event("unauthorised");
        assert_eq!((&line["level"], &line["peer"]), (&json!("warn"), &json!("127.0.0.1")), "{line}");
        assert_eq!(
            (&line["log"], &line["count"], &line["path"]),
            (&json!("service"), &json!(1), &json!("/mcp")),
            "{line}"
        );
        assert!(!line.to_string().contains(ANN), "{line}");
    }
}

#[test]
fn a_foreign_host_or_a_web_page_is_refused() {
    let server = HttpServer::start();
    let token = format!("Bearer {ANN}");
    let body = request(1, "tools/list", &json!({}));
    let page = post(&server, &[("authorization", &token), ("origin", "https://evil.example")], &body);
    assert_eq!(page.status, 403, "{page:?}");
    let rebound = post(&server, &[("authorization", &token), ("host", "evil.example")], &body);
    assert_eq!(rebound.status, 403, "{rebound:?}");
    let own = server.address.as_str();
    let with_a_name = format!("evil.example@{own}");
    for hosts in [&[("host", own), ("host", "evil.example")][..], &[("host", own); 2], &[("host", &with_a_name)]] {
        let reply = post(&server, &[&[("authorization", token.as_str())], hosts].concat(), &body);
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!("BAD_HOST")), "{hosts:?}");
    }
    let bob = format!("Bearer {BOB}");
    let two = post(&server, &[("authorization", &token), ("authorization", &bob)], &body);
    assert_eq!(two.status, 401, "which of them calls is not guessed: {two:?}");
}

#[test]
fn the_health_page_needs_no_token_and_follows_the_switch() {
    let mut server = HttpServer::start();
    let journal = &server.server.journal.clone();
    let health = server.send("GET", "/api/health", &[], "");
    assert_eq!(health.status, 200);
    let document = health.json();
    assert_eq!((&document["status"], &document["mcp"], &document["store"]), (&json!("ok"), &json!("ok"), &json!("ok")));
    assert_eq!((&document["sagas"], &document["checkout"]), (&json!({ "open": 0, "parked": 0 }), &json!("on")));
    assert!(document["time"].as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()), "{document}");
    for provider in ["payment", "catalog", "inventory"] {
        assert!(document["providers"][provider].is_string(), "{document}");
    }

    let switch = |to| output(configured(&["switch", "checkout", to], journal));
    assert_eq!(switch("off"), (Some(0), "checkout is off\n".into(), String::new()));
    assert_eq!(switch("status").1, "checkout is off\n");
    let document = server.send("GET", "/api/health", &[], "").json();
    assert_eq!((&document["status"], &document["checkout"]), (&json!("degraded"), &json!("off")));
    assert_eq!(server.server.event("checkout_switched")["checkout"], "off");
    assert_eq!(switch("on").1, "checkout is on\n");

    let orders = |args: &[&str]| output(configured(args, journal));
    assert_eq!(orders(&["orders", "--parked"]), (Some(0), "no parked orders\n".into(), String::new()));
    assert_eq!(orders(&["orders", "--parked", "--json"]).1, "[]\n");
}

#[test]
fn elsewhere_there_is_nothing_and_it_says_where_to_look() {
    let server = HttpServer::start();
    let reply = server.send("GET", "/", &[], "");
    assert_eq!(reply.status, 404);
    assert!(reply.json()["error"]["message"].as_str().is_some_and(|text| text.contains("/mcp")), "{reply:?}");
}

#[test]
fn the_health_page_tells_strangers_one_word() {
    let server = HttpServer::start();
    let word = json!({ "status": "ok" });
    for headers in [[("host", "10.0.0.7:8080")], [("x-forwarded-for", "192.0.2.1")]] {
        let reply = server.send("GET", "/api/health", &headers, "");
        assert_eq!((reply.status, reply.json()), (200, word.clone()), "{headers:?}");
    }
    let authorization = format!("Bearer {ANN}");
    let known = [("host", "10.0.0.7:8080"), ("authorization", authorization.as_str())];
    assert_eq!(server.send("GET", "/api/health", &known, "").json()["store"], "ok");
}

#[test]
fn the_log_says_what_was_started_with_which_numbers() {
    let server = HttpServer::start();
    let started: Vec<Value> = server.server.log_seen.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let started = started.iter().find(|line| line["event"] == "service_started").expect("it says that it started");
    assert_eq!(started["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(started["payment_profile"], "stripe");
    assert!(started["policy"]["retry"]["attempts_max"].is_u64(), "{started}");
}

#[cfg(unix)]
#[test]
fn sigterm_ends_the_server_in_good_order() {
    let mut server = HttpServer::start();
    server.server.terminate();
    assert_eq!(server.server.event("service_stopping")["log"], "service");
    assert_eq!(server.server.event("service_stopped")["count"], 0);
    assert_eq!(server.server.wait().code(), Some(0));
    for line in &server.server.log_seen {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
        assert!(!line.contains("s3cret") && !line.contains(ANN), "{line}");
    }
}

#[test]
fn a_missing_configuration_is_told_in_sentences() {
    let (code, _, stderr) = output(giftgenius(&["serve", "--http", "127.0.0.1:0"]));
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 5, "{stderr}");
    for (line, name) in stderr.lines().zip(["JOURNAL", "PAYMENT_URL", "CATALOG_URL", "INVENTORY_URL", "USERS"]) {
        assert!(line.starts_with("giftgenius: ") && line.contains(&format!("set GIFTGENIUS_{name}")), "{line}");
    }
}

#[test]
fn a_wrong_setting_is_told_by_its_name_and_not_by_its_value() {
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let mut command = configured(&["serve", "--http", "127.0.0.1:0"], &dir.path().join("journal.db"));
    command.env("GIFTGENIUS_PAYMENT_URL", "http://me:s3cret@pay.example").env("GIFTGENIUS_USERS", "s3cret");
    let (code, _, stderr) = output(command);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("GIFTGENIUS_PAYMENT_URL") && stderr.contains("GIFTGENIUS_USERS"), "{stderr}");
    assert!(!stderr.contains("s3cret"), "{stderr}");
    assert!(!dir.path().join("journal.db").exists(), "nothing is begun");
}

#[test]
fn a_taken_port_is_one_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address").to_string();
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let (code, _, stderr) = output(configured(&["serve", "--http", &address], &dir.path().join("journal.db")));
    assert_eq!(code, Some(4), "{stderr}");
    let sentence = format!("giftgenius: cannot listen on {address}: the port is taken");
    assert!(stderr.lines().any(|line| line.starts_with(&sentence)), "{stderr}");
}

#[test]
fn a_journal_that_is_not_there_is_not_made_up() {
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let journal = dir.path().join("mistyped.db");
    for args in [&["orders", "--parked"][..], &["switch", "checkout", "off"]] {
        let (code, stdout, stderr) = output(configured(args, &journal));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains("there is no journal at") && stderr.contains("mistyped.db"), "{stderr}");
    }
    assert!(!journal.exists());
}

#[test]
fn a_journal_that_cannot_be_opened_is_one_sentence() {
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let journal = dir.path().join("no-such-folder").join("journal.db");
    let (code, _, stderr) = output(configured(&["serve", "--http", "127.0.0.1:0"], &journal));
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.starts_with("giftgenius: the journal at ") && stderr.contains("cannot be opened"), "{stderr}");
}

#[test]
fn webhooks_are_taken_from_the_provider_and_from_nobody_else() {
    const SECRET: &str = "whsec_0123456789abcdef";
    let mut server = HttpServer::start_with(&[("GIFTGENIUS_PAYMENT_WEBHOOK_SECRET", SECRET)]);
    let body = json!({ "id": "evt_1", "type": "charge.captured", "reference": "ord_nobody" }).to_string();
    let secret = giftgenius::webhooks::WebhookSecret::new(SECRET.into()).expect("a secret");
    let signature = secret.sign(jiff::Timestamp::now(), body.as_bytes());
    let deliver = |server: &HttpServer, signature: &[&str], body: &str| {
        let headers: Vec<_> = signature.iter().map(|signature| ("payment-signature", *signature)).collect();
        server.send("POST", "/webhooks/payment", &headers, body)
    };

    // No provider is there to be asked: it is left to a person, and durable.
    let taken = deliver(&server, &[&signature], &body);
    assert_eq!((taken.status, &taken.json()["status"]), (200, &json!("parked")), "{taken:?}");
    let again = deliver(&server, &[&signature], &body);
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("duplicate")), "{again:?}");
    let (code, listed, _) = output(configured(&["orders", "--parked"], &server.server.journal));
    assert!(code == Some(0) && listed.starts_with("ord_nobody  unknown payment  since "), "{listed}");

    let stale = secret.sign(jiff::Timestamp::now() - jiff::SignedDuration::from_mins(6), body.as_bytes());
    for (signatures, body, status) in [
        (&[][..], body.as_str(), 400),
        (&["t=now"], &body, 400),
        (&[&signature], "{}", 401),
        (&[&stale], &body, 401),
        (&[&signature, &signature], &body, 400),
        (&[&signature], &"x".repeat(65 * 1024), 413),
    ] {
        let refused = deliver(&server, signatures, body);
        assert_eq!(refused.status, status, "{signatures:?}: {refused:?}");
        assert!(refused.json()["error"]["message"].is_string(), "{refused:?}");
        assert!(!refused.body.contains("whsec") && !refused.body.contains(&signature[15..]), "{refused:?}");
    }
    assert_eq!(server.send("GET", "/webhooks/payment", &[], "").status, 405);

    let logged = server.server.event("webhook_received");
    assert_eq!((&logged["log"], &logged["event_id"]), (&json!("webhook"), &json!("evt_1")));
    let refused = server.server.event("webhook_refused");
    assert_eq!((&refused["status"], &refused["event_id"]), (&json!("refused"), &Value::Null));
    assert!(!server.server.log_seen.iter().any(|line| line.contains(SECRET)));
}

#[test]
fn without_a_secret_no_webhook_is_taken() {
    let server = HttpServer::start();
    let reply = server.send("POST", "/webhooks/payment", &[("payment-signature", "t=1,v1=00")], "{}");
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (404, &json!("NOT_SET_UP")), "{reply:?}");
}
