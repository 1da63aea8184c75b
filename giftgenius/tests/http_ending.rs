//! How the real binary ends over HTTP: at once but for calls in flight, at a second signal in spite of these, and with a
//! journal whose file is complete without its log.
#![cfg(unix)]

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use support::catalog::{LATER, NOTHING, SENTENCE, catalog};
use support::{ANN, HttpServer, configured, output, request};

/// Longer than any test waits: what is waited for like a call makes a test fail.
const DEADLINE: (&str, &str) = ("GIFTGENIUS_TOOL_DEADLINE", "5m");

/// A search under way: what its client hears until the connection ends.
fn search(server: &HttpServer) -> JoinHandle<String> {
    let call = json!({ "name": "search_products", "arguments": { "query": "tea", "currency": "EUR" } });
    let body = request(1, "tools/call", &call).to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {ANN}\r\ncontent-type: application/json\r\n\
         mcp-protocol-version: 2025-11-25\r\ncontent-length: {}\r\n\r\n",
        server.address,
        body.len()
    );
    let mut stream = TcpStream::connect(&server.address).expect("the server listens");
    stream.write_all((head + &body).as_bytes()).expect("it can be written");
    std::thread::spawn(move || heard(&mut stream))
}

/// What is said on a connection until the server hangs up.
fn heard(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out can be set");
    let mut said = Vec::new();
    if let Err(error) = stream.read_to_end(&mut said) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn a_call_in_flight_gets_its_answer_and_nothing_else_is_waited_for() {
    let catalog = catalog();
    let mut server = HttpServer::start_with(&[DEADLINE, ("GIFTGENIUS_CATALOG_URL", &catalog.url)]);
    let search = search(&server);
    catalog.asked.recv().expect("the catalog is asked");
    let mut half = TcpStream::connect(&server.address).expect("the server listens");
    half.write_all(b"POST /mcp HTTP/1.1\r\nhost: x\r\nx-more: ").expect("it can be written");
    server.server.terminate();
    server.server.event("service_stopping");
    assert_eq!(heard(&mut half), "", "hung up on before the call has its answer");
    catalog.answer.send(SENTENCE).expect("the catalog listens");
    let answer = search.join().expect("it does not panic");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("CATALOG_"), "{answer}");
    server.server.event("service_stopped");
    assert_eq!(server.server.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_without_the_answers() {
    let catalog = catalog();
    catalog.answer.send(LATER).expect("the catalog listens");
    let mut server = HttpServer::start_with(&[DEADLINE, ("GIFTGENIUS_CATALOG_URL", &catalog.url)]);
    let search = search(&server);
    catalog.asked.recv().expect("the catalog is asked");
    server.server.terminate();
    server.server.event("service_stopping");
    server.server.terminate();
    assert_eq!(server.server.wait().code(), Some(0));
    assert_eq!(search.join().expect("it does not panic"), "", "its answer was hours away");
}

#[test]
fn half_a_thousand_connections_that_take_nothing_hold_neither_calls_nor_the_end() {
    let mut server = HttpServer::start_with(&[DEADLINE]);
    let mut known = TcpStream::connect(&server.address).expect("the server listens");
    let question = format!("GET /mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {ANN}\r\n\r\n", server.address);
    let ask = |known: &mut TcpStream| {
        known.write_all(question.as_bytes()).expect("it is not hung up on");
        let mut head = [0; 12];
        known.read_exact(&mut head).expect("an answer");
        assert_eq!(&head, b"HTTP/1.1 405");
    };
    ask(&mut known);
    let pipelined = b"POST /mcp HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".repeat(200);
    let hostile: Vec<_> = (0..512)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).expect("the server listens");
            stream.set_nonblocking(true).expect("it can be set");
            // As much as goes; it may have been hung up on already.
            let _ = stream.write(&pipelined);
            stream
        })
        .collect();
    let line = server.server.event("connections_full");
    assert_eq!((&line["level"], &line["places"]), (&json!("warn"), &json!(128)), "{line}");
    assert_eq!((&line["log"], &line["count"]), (&json!("service"), &json!(1)), "{line}");
    assert_eq!(server.send("GET", "/api/health", &[], "").status, 200);
    let tools = server.rpc(ANN, "tools/list", json!({}));
    assert!(tools["result"]["tools"].is_array(), "{tools}");
    server.server.terminate();
    assert_eq!(server.server.wait().code(), Some(0));
    drop((known, hostile));
}

#[test]
fn after_sigterm_a_copy_of_the_journals_file_holds_everything() {
    let catalog = catalog();
    catalog.answer.send(NOTHING).expect("the catalog listens");
    let mut server = HttpServer::start_with(&[("GIFTGENIUS_CATALOG_URL", &catalog.url)]);
    let call = json!({ "name": "suggest_gifts", "arguments": { "budget": 5000 } });
    let begun = server.rpc(ANN, "tools/call", call);
    let workflow = &begun["result"]["structuredContent"]["workflow_id"];
    assert!(workflow.is_string(), "{begun}");
    // Written by another process, which leaves it in the server's log.
    let journal = server.server.journal.clone();
    assert_eq!(output(configured(&["switch", "checkout", "off"], &journal)).0, Some(0));
    server.server.terminate();
    assert_eq!(server.server.wait().code(), Some(0));

    let copies = tempfile::TempDir::new().expect("a temporary directory");
    let copy = copies.path().join("j.db");
    std::fs::copy(&journal, &copy).expect("a copy");
    assert_eq!(output(configured(&["switch", "checkout", "status"], &copy)).1, "checkout is off\n");
    let restarted = HttpServer::start_with(&[("GIFTGENIUS_JOURNAL", copy.to_str().expect("a path in UTF-8"))]);
    let call = json!({ "name": "get_workflow", "arguments": { "workflow_id": workflow } });
    let read = restarted.rpc(ANN, "tools/call", call);
    assert_eq!(read["result"]["isError"], Value::Bool(false), "{read}");
}
