//! The real binary on what clients get wrong before a tool is called: the answer names the cause.

mod support;

use serde_json::{Value, json};
use support::{ANN, HttpServer, StdioServer, initialize_2025, request, tools, with_2026_meta};

fn message(reply: &Value) -> &str {
    reply["error"]["message"].as_str().unwrap_or_else(|| panic!("no error: {reply}"))
}

#[test]
fn a_call_before_initialize_is_told_to_shake_hands_first() {
    let mut server = StdioServer::start();
    for (id, method, params) in
        [(1, "tools/call", json!({ "name": "get_payment_methods" })), (2, "tools/list", json!({}))]
    {
        let reply = server.rpc(id, method, params);
        assert_eq!(reply["error"]["code"], -32602, "{reply}");
        assert!(message(&reply).contains("no `initialize` came before this request"), "{reply}");
    }
    server.rpc(3, "initialize", initialize_2025());
    server.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    tools(&server.rpc(4, "tools/list", json!({})));
    tools(&StdioServer::start().rpc(1, "tools/list", with_2026_meta(json!({}))));
}

#[test]
fn a_revision_that_demands_batches_is_not_agreed_to() {
    for (asked, agreed) in [("2025-03-26", "2025-11-25"), ("2025-06-18", "2025-06-18"), ("2099-01-01", "2025-11-25")] {
        let mut params = initialize_2025();
        params["protocolVersion"] = json!(asked);
        let hello = StdioServer::start().rpc(1, "initialize", params);
        assert_eq!(hello["result"]["protocolVersion"], agreed, "{asked}: {hello}");
    }
    let mut server = StdioServer::start();
    let found = server.rpc(1, "server/discover", with_2026_meta(json!({})));
    let versions = found["result"]["supportedVersions"].as_array().expect("versions");
    assert!(!versions.contains(&json!("2025-03-26")), "{found}");
}

#[test]
fn a_cursor_that_was_never_given_is_refused() {
    let server = HttpServer::start();
    let reply = server.rpc(ANN, "tools/list", json!({ "cursor": "junk" }));
    assert_eq!(reply["error"]["code"], -32602, "{reply}");
    assert!(message(&reply).contains("unknown cursor"), "{reply}");
    tools(&server.rpc(ANN, "tools/list", json!({})));
    tools(&server.rpc(ANN, "tools/list", json!({ "cursor": null })));
}

#[test]
fn a_number_beyond_a_double_is_an_argument_out_of_range() {
    let frame = |number: &str| {
        let call = json!({
            "name": "create_checkout_session",
            "arguments": { "items": [{ "sku": "tea-set", "quantity": "HERE" }], "currency": "EUR" },
        });
        request(2, "tools/call", &call).to_string().replace("\"HERE\"", number)
    };
    let mut stdio = StdioServer::start();
    stdio.rpc(1, "initialize", initialize_2025());
    stdio.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let http = HttpServer::start();
    let authorization = format!("Bearer {ANN}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    for number in ["1e400", "-1e400", &"9".repeat(400)] {
        stdio.send_bytes(format!("{}\n", frame(number)).as_bytes());
        for reply in [stdio.receive(), http.send("POST", "/mcp", &headers, &frame(number)).json()] {
            let error = &reply["result"]["structuredContent"]["error"];
            assert_eq!(error["code"], "INVALID_ARGUMENTS", "{reply}");
            assert_eq!(error["violations"][0]["field"], "/items/0/quantity", "{reply}");
            assert_eq!(error["violations"][0]["error_type"], "range", "{reply}");
        }
    }
}

#[test]
fn the_key_travels_back_in_meta() {
    let server = HttpServer::start();
    for (arguments, meta, told) in [
        (json!({ "idempotency_key": "key-of-the-arguments" }), json!({}), json!("key-of-the-arguments")),
        (json!({}), json!({ "idempotency_key": "key-of-the-meta" }), json!("key-of-the-meta")),
        (
            json!({ "idempotency_key": "key-of-the-arguments" }),
            json!({ "idempotency_key": "key-of-the-meta" }),
            json!("key-of-the-arguments"),
        ),
        (json!({}), json!({}), json!(null)),
    ] {
        let mut arguments = arguments;
        arguments["order_id"] = json!("ord_none");
        let call = json!({ "name": "cancel_order", "arguments": arguments, "_meta": meta });
        let reply = server.rpc(ANN, "tools/call", call);
        assert_eq!(reply["result"]["_meta"]["idempotency_key"], told, "{reply}");
    }
}
