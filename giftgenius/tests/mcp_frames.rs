//! Malformed frames against the real binary: each is answered, on both transports, and the next valid call works.

mod support;

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};
use support::{ANN, HttpServer, StdioServer, initialize_2025, request, tools, with_2026_meta};

/// A frame, and what answers it: the id, the code, what the message says, and the HTTP status.
type Malformed = (&'static str, Vec<u8>, Value, i64, &'static str, u16);

fn call(params: &str) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}"#).into_bytes()
}

fn malformed() -> Vec<Malformed> {
    let text = |text: &str| text.as_bytes().to_vec();
    let deep = format!(r#"{{"name":"get_order","arguments":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let many = format!(r#"{{"name":"get_order","arguments":{{"x":[{}1]}}}}"#, "1,".repeat(20_000));
    let huge = format!(r#"{{"name":"get_order","arguments":{{"order_id":"{}"}}}}"#, "x".repeat(10_000_000));
    let null = json!(null);
    vec![
        ("bad JSON", text(r#"{"jsonrpc":"2.0","id":7,"method":}"#), json!(7), -32700, "column 34", 400),
        ("no JSON", text("GET /mcp HTTP/1.1"), null.clone(), -32700, "column 1", 400),
        ("truncated", text(r#"{"jsonrpc":"2.0","id":7,"method":"tools/ca"#), json!(7), -32700, "EOF", 400),
        ("no UTF-8", b"{\"id\":7,\"method\":\"\xff\xfe\"}".to_vec(), json!(7), -32700, "byte 19", 400),
        ("NUL", b"{\"id\":7,\"method\":\"a\x00\"}".to_vec(), json!(7), -32700, "control character", 400),
        ("lone surrogate", call(r#"{"name":"\ud83d"}"#), json!(7), -32700, "column", 400),
        ("depth", call(&deep), json!(7), -32600, "nest 64 deep", 400),
        ("values", call(&many), json!(7), -32600, "10000 values", 400),
        ("size", call(&huge), json!(7), -32600, "1048576 bytes", 413),
        ("batch", text(r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#), null.clone(), -32600, "no batches", 400),
        ("no jsonrpc", text(r#"{"id":7,"method":"ping"}"#), json!(7), -32600, "`jsonrpc`", 400),
        ("foreign jsonrpc", text(r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#), json!(7), -32600, "`jsonrpc`", 400),
        ("no object", text("7"), null.clone(), -32600, "a number", 400),
        ("no method", text(r#"{"jsonrpc":"2.0","id":7}"#), json!(7), -32600, "no `method`", 400),
        ("method 7", text(r#"{"jsonrpc":"2.0","id":7,"method":7}"#), json!(7), -32600, "has to be text", 400),
        ("id null", text(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#), null, -32600, "never null", 400),
        (
            "unknown",
            text(r#"{"jsonrpc":"2.0","id":7,"method":"tool/list"}"#),
            json!(7),
            -32601,
            "mean `tools/list`",
            200,
        ),
        ("key twice", call(r#"{"name":"get_order","arguments":{"a":1,"a":2}}"#), json!(7), -32602, "`/params/arg", 400),
        ("no name", call(r#"{"arguments":{}}"#), json!(7), -32602, "without the `name`", 200),
        ("name 7", call(r#"{"name":7}"#), json!(7), -32602, "a number, not text", 200),
        ("no tool", call(r#"{"name":"get_ordr"}"#), json!(7), -32602, "did you mean `get_order`?", 200),
    ]
}

/// Arguments that are no object.
fn arguments() -> [Value; 4] {
    [json!(r#"{"order_id":"ord_1"}"#), json!("ord_1"), json!([{ "order_id": "ord_1" }]), json!(7)]
}

/// They are invalid arguments, told as such.
fn assert_invalid_arguments(reply: &Value, arguments: &Value) {
    let result = &reply["result"];
    let error = &result["structuredContent"]["error"];
    assert_eq!(
        (&result["isError"], &error["code"]),
        (&json!(true), &json!("INVALID_ARGUMENTS")),
        "{arguments}: {reply}"
    );
    let whole = error["violations"].as_array().and_then(|all| all.iter().find(|one| one["field"] == ""));
    assert!(whole.is_some_and(|one| one["expected"].as_str().is_some_and(|text| text.contains("object"))), "{reply}");
}

#[test]
fn on_stdio_each_malformed_frame_is_answered_and_the_next_call_works() {
    let mut server = StdioServer::start();
    // Before the handshake as well as after it.
    for round in 0..2 {
        for (what, frame, id, code, message, _) in malformed() {
            if round == 0 && what == "no tool" {
                continue;
            }
            server.send_bytes(&[&frame, b"\n".as_slice()].concat());
            let reply = server.receive();
            assert_eq!((&reply["id"], &reply["error"]["code"]), (&id, &json!(code)), "{what}: {reply}");
            assert!(reply["error"]["message"].as_str().is_some_and(|text| text.contains(message)), "{what}: {reply}");
            assert_eq!(server.rpc(1, "ping", json!({}))["result"], json!({}), "after {what}");
        }
        if round == 0 {
            assert_eq!(server.rpc(1, "initialize", initialize_2025())["result"]["protocolVersion"], "2025-11-25");
        }
    }
    tools(&server.rpc(2, "tools/list", json!({})));
}

#[test]
fn over_http_each_malformed_frame_is_answered_and_the_next_call_works() {
    let server = HttpServer::start();
    for (what, frame, id, code, message, status) in malformed() {
        let reply = post(&server, "2025-11-25", &frame);
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        assert!(reply.head.contains("content-type: application/json"), "{what}: {reply:?}");
        let reply = reply.json();
        assert_eq!((&reply["id"], &reply["error"]["code"]), (&id, &json!(code)), "{what}: {reply}");
        assert!(reply["error"]["message"].as_str().is_some_and(|text| text.contains(message)), "{what}: {reply}");
    }
    tools(&server.rpc(ANN, "tools/list", json!({})));
}

fn post(server: &HttpServer, version: &str, body: &[u8]) -> support::Reply {
    let authorization = format!("Bearer {ANN}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", version),
    ];
    server.send_bytes("POST", "/mcp", &headers, body)
}

#[test]
fn arguments_that_are_no_object_are_invalid_arguments_on_both_transports() {
    let http = HttpServer::start();
    let mut stdio = StdioServer::start();
    stdio.rpc(1, "initialize", initialize_2025());
    for arguments in arguments() {
        let params = json!({ "name": "get_order", "arguments": arguments });
        assert_invalid_arguments(&http.rpc(ANN, "tools/call", params.clone()), &arguments);
        assert_invalid_arguments(&http.rpc_2026(ANN, "tools/call", params.clone()), &arguments);
        assert_invalid_arguments(&stdio.rpc(2, "tools/call", params), &arguments);
    }
    let absent = stdio.rpc(3, "tools/call", json!({ "name": "get_order" }));
    assert_eq!(absent["result"]["structuredContent"]["error"]["violations"][0]["error_type"], "missing", "{absent}");

    let mut modern = StdioServer::start();
    let params = json!({ "name": "get_order", "arguments": "{}" });
    assert_invalid_arguments(&modern.rpc(1, "tools/call", with_2026_meta(params)), &json!("{}"));
}

#[test]
fn on_stdio_notifications_and_answers_are_not_answered_whenever_they_come() {
    let mut server = StdioServer::start();
    let silent = [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"nobody"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":7}"#,
        r#"{"method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"get_order","arguments":{"order_id":"x"}}}"#,
        r#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":9,"error":{"code":1,"message":"x"}}"#,
        " \t \r",
        "",
    ];
    for round in 0..2 {
        for frame in silent {
            server.send_bytes(format!("{frame}\n").as_bytes());
            // The next answer is that of the next request.
            assert_eq!(server.rpc(1, "ping", json!({}))["result"], json!({}), "{frame}");
        }
        if round == 0 {
            server.rpc(1, "initialize", initialize_2025());
        }
    }
}

#[test]
fn over_http_a_notification_is_accepted_and_a_malformed_one_is_told_so() {
    let server = HttpServer::start();
    let accepted = post(&server, "2025-11-25", br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert_eq!((accepted.status, accepted.body.as_str()), (202, ""), "{accepted:?}");
    let call = post(&server, "2025-11-25", br#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"get_order"}}"#);
    assert_eq!((call.status, &call.json()["id"]), (400, &Value::Null), "{call:?}");
    assert!(call.body.contains("without an `id`"), "{call:?}");
    let answer = post(&server, "2025-11-25", br#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32600)), "{answer:?}");
}

#[test]
fn over_http_what_the_protocol_refuses_is_told_in_json_too() {
    let server = HttpServer::start();
    let ping = request(7, "ping", &json!({})).to_string();
    let unknown = post(&server, "1999-01-01", ping.as_bytes());
    assert_eq!((unknown.status, &unknown.json()["id"]), (400, &json!(7)), "{unknown:?}");
    assert!(unknown.body.contains("1999-01-01"), "{unknown:?}");
    let authorization = format!("Bearer {ANN}");
    let plain = [("authorization", authorization.as_str()), ("content-type", "text/plain")];
    let plain = server.send("POST", "/mcp", &plain, &ping);
    assert_eq!((plain.status, &plain.json()["error"]["code"]), (415, &json!(-32600)), "{plain:?}");
    let marked = post(&server, "2025-11-25", format!("\u{feff}{ping}").as_bytes());
    assert_eq!((marked.status, &marked.json()["result"]), (200, &json!({})), "{marked:?}");
    let get = server.send("GET", "/mcp", &[("authorization", &authorization)], "");
    assert_eq!((get.status, get.head.contains("allow: post")), (405, true), "{get:?}");
    let modern = post(&server, "2026-07-28", br#"{"jsonrpc":"2.0","id":7,"method":"buy"}"#);
    assert_eq!((modern.status, &modern.json()["error"]["code"]), (404, &json!(-32601)), "{modern:?}");
}

#[test]
fn on_stdio_an_id_in_flight_is_not_used_twice_and_a_cancelled_call_stays_unanswered() {
    // The catalog takes connections and never says a word, so a search is in flight for a whole attempt at least: nothing
    // hangs on whether the next line is read before a refusal comes.
    let catalog = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", catalog.local_addr().expect("it is bound"));
    let mut server = StdioServer::start_with(&["--catalog-url", &url, "--tool-deadline", "5s"]);
    server.rpc(1, "initialize", initialize_2025());
    let search = request(5, "tools/call", &json!({ "name": "search_products", "arguments": { "query": "tea" } }));
    server.send(&search);
    server.send(&search);
    let refused = server.receive();
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(5), &json!(-32600)), "{refused}");
    assert!(
        refused["error"]["message"].as_str().is_some_and(|text| text.contains("still being answered")),
        "{refused}"
    );
    let answered = server.receive();
    assert_eq!((&answered["id"], &answered["result"]["isError"]), (&json!(5), &json!(true)), "{answered}");
    // Answered, so the id is free again.
    assert_eq!(server.rpc(5, "ping", json!({}))["result"], json!({}));

    server.send(&search);
    server.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 5 } }));
    server.send(&search);
    let refused = server.receive();
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(5), &json!(-32600)), "{refused}");
    server.send(&request(6, "tools/call", &json!({ "name": "search_products", "arguments": { "query": "tea" } })));
    // The cancelled one ended before, and nothing was said of it.
    assert_eq!(server.receive()["id"], 6);
}

#[test]
fn on_stdio_the_input_may_end_in_the_middle() {
    let mut server = StdioServer::start();
    server.send_bytes(br#"{"jsonrpc":"2.0","id":1,"method":"to"#);
    server.close_stdin();
    let reply = server.receive();
    assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(1), &json!(-32700)), "{reply}");
    assert_eq!(server.server.wait().code(), Some(0));

    let mut server = StdioServer::start();
    server.rpc(1, "initialize", initialize_2025());
    // A last message needs no end of line, and its answer is waited for.
    let call = request(2, "tools/call", &json!({ "name": "search_products", "arguments": { "query": "tea" } }));
    server.send_bytes(call.to_string().as_bytes());
    server.close_stdin();
    let reply = server.receive();
    assert_eq!((&reply["id"], &reply["result"]["isError"]), (&json!(2), &json!(true)), "{reply}");
    assert_eq!(server.server.wait().code(), Some(0));
}

#[test]
fn over_http_a_body_that_is_announced_as_far_too_long_is_answered_before_it_came() {
    let server = HttpServer::start();
    let mut stream = std::net::TcpStream::connect(&server.address).expect("the server listens");
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {ANN}\r\ncontent-type: application/json\r\n\
         accept: */*\r\ncontent-length: 1000000000000\r\n\r\n{{",
        server.address
    );
    stream.write_all(head.as_bytes()).expect("the head can be written");
    let mut reply = String::new();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a time-out can be set");
    // The connection is closed behind the answer, with what was sent unread.
    let _ = stream.read_to_string(&mut reply);
    assert!(reply.starts_with("HTTP/1.1 413") && reply.contains("-32600"), "{reply}");
}
