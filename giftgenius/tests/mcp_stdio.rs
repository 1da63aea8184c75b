//! The real binary on stdin and stdout: both lifecycles, and its end.

mod support;

use serde_json::json;
use support::{StdioServer, initialize_2025, request, tools, with_2026_meta};

#[test]
fn a_client_of_2025_11_25_shakes_hands_lists_and_calls() {
    let mut server = StdioServer::start();
    let hello = server.rpc(1, "initialize", initialize_2025());
    assert_eq!(hello["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(hello["result"]["serverInfo"]["name"], "giftgenius");
    server.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    tools(&server.rpc(2, "tools/list", json!({})));
    let unknown = server.rpc(3, "tools/call", json!({ "name": "buy_everything", "arguments": {} }));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}

#[test]
fn a_client_of_2026_07_28_needs_no_handshake() {
    let mut server = StdioServer::start();
    let found = server.rpc(1, "server/discover", with_2026_meta(json!({})));
    assert!(found["result"]["supportedVersions"].as_array().is_some_and(|all| all.contains(&json!("2026-07-28"))));
    let listed = server.rpc(2, "tools/list", with_2026_meta(json!({})));
    assert_eq!(listed["result"]["resultType"], "complete");
    let known = tools(&listed);
    let call = json!({
        "name": "get_order",
        "arguments": { "no_such_field": 1 },
        "_meta": { "correlation_id": "req-7", "idempotency_key": "k-7" },
    });
    let reply = server.rpc(3, "tools/call", with_2026_meta(call));
    if known.iter().any(|name| name == "get_order") {
        assert_eq!(reply["result"]["_meta"]["correlation_id"], "req-7", "{reply}");
        assert_eq!(reply["result"]["isError"], true, "{reply}");
    } else {
        assert_eq!(reply["error"]["code"], -32602, "{reply}");
    }
}

#[test]
fn closing_stdin_ends_the_server_in_good_order_after_the_last_answer() {
    let mut server = StdioServer::start();
    server.rpc(1, "initialize", initialize_2025());
    server.send(&request(2, "tools/list", &json!({})));
    server.close_stdin();
    assert_eq!(server.receive()["id"], 2);
    assert_eq!(server.server.event("service_stopped")["count"], 0);
    assert_eq!(server.server.wait().code(), Some(0));
}

#[test]
fn a_client_that_leaves_before_it_said_anything_is_no_failure() {
    let mut server = StdioServer::start();
    server.close_stdin();
    assert_eq!(server.server.wait().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn sigterm_ends_the_server_in_good_order() {
    let mut server = StdioServer::start();
    server.rpc(1, "initialize", initialize_2025());
    server.server.terminate();
    assert_eq!(server.server.wait().code(), Some(0));
}

/// A host that starts a server and never reads its stderr: the pipe fills after some two hundred calls.
#[cfg(unix)]
#[test]
fn a_host_that_does_not_read_the_log_stops_neither_calls_nor_the_end() {
    let mut server = StdioServer::start_unread();
    server.rpc(1, "initialize", initialize_2025());
    server.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    for id in 2..1_000 {
        let call = json!({ "name": "get_order", "arguments": { "order_id": format!("ord_{id:016x}") } });
        let reply = server.rpc(id, "tools/call", call);
        assert_eq!(reply["result"]["isError"], true, "{reply}");
    }
    server.server.terminate();
    assert_eq!(server.server.wait().code(), Some(0));
}
