//! The health page of the real binary where its store takes no write: on a full disk, and under another process's lock.

mod support;

use serde_json::{Value, json};
use support::catalog::{NOTHING, catalog};
use support::{ANN, HttpServer};

fn health(server: &HttpServer) -> (u16, Value) {
    let reply = server.send("GET", "/api/health", &[], "");
    (reply.status, reply.json())
}

fn browse(server: &HttpServer) -> Value {
    let reply = server.rpc(ANN, "tools/call", json!({ "name": "suggest_gifts", "arguments": {} }));
    reply["result"]["structuredContent"].clone()
}

/// Asks until the answer has this status: what is probed is probed once a second.
fn becomes(server: &HttpServer, status: u16) -> Value {
    let began = std::time::Instant::now();
    loop {
        let (now, page) = health(server);
        if now == status {
            return page;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "still {now}: {page}");
        std::thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_although_everything_can_be_read_and_so_is_its_end() {
    let server = HttpServer::start_on_a_disk();
    server.server.fill_the_disk(true);
    let (status, page) = health(&server);
    assert_eq!((status, &page["store"], &page["status"]), (503, &json!("unavailable"), &json!("degraded")), "{page}");
    assert_eq!((&page["sagas"]["open"], &page["checkout"]), (&json!(0), &json!("on")), "it can be read: {page}");
    let stranger = server.send("GET", "/api/health", &[("host", "10.0.0.7:8080")], "");
    assert_eq!((stranger.status, stranger.json()), (503, json!({ "status": "degraded" })));
    server.server.fill_the_disk(false);
    assert_eq!(becomes(&server, 200)["store"], "ok");
}

#[test]
fn a_lock_that_is_held_is_told_before_a_call_that_waits_for_it_and_not_after_a_write() {
    let catalog = catalog();
    catalog.answer.send(NOTHING).expect("the catalog listens");
    let server = HttpServer::start_with(&[("GIFTGENIUS_CATALOG_URL", &catalog.url)]);
    let other = rusqlite::Connection::open(&server.server.journal).expect("the journal's file");
    other.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| browse(&server));
        let (status, page) = health(&server);
        assert_eq!((status, &page["store"]), (503, &json!("unavailable")), "{page}");
        assert!(!caller.is_finished(), "a monitor does not wait for as long as a call");
        assert_eq!(caller.join().expect("it does not panic")["error"]["code"], "STORE_UNAVAILABLE");
    });
    other.execute_batch("ROLLBACK").expect("its lock");
    assert!(browse(&server)["workflow_id"].is_string());
    assert_eq!(health(&server).0, 200, "the last write was taken");
    other.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    let (status, page) = health(&server);
    assert_eq!((status, &page["store"]), (200, &json!("ok")), "a write was taken of late: {page}");
}

#[test]
fn a_server_that_nobody_calls_finds_out_that_its_store_takes_nothing_before_anyone_asks() {
    let mut server = HttpServer::start_with(&[]);
    let other = rusqlite::Connection::open(&server.server.journal).expect("the journal's file");
    other.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    // Housekeeping is refused once as the server begins, and writes nothing more for hours.
    for _refused in 0..3 {
        let line = server.server.event("store_failed");
        assert_eq!(line["level"], "error", "{line}");
    }
}
