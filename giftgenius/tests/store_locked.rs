//! The real binary while another process holds the lock of its journal's file: calls that write wait for it together, calls
//! that read do not wait, and nothing is half done.

mod support;

use serde_json::{Value, json};
use support::catalog::{NOTHING, catalog};
use support::{ANN, HttpServer};

fn call(server: &HttpServer, name: &str, arguments: &Value) -> Value {
    let reply = server.rpc(ANN, "tools/call", json!({ "name": name, "arguments": arguments }));
    reply["result"]["structuredContent"].clone()
}

#[test]
fn a_lock_that_is_held_is_told_to_all_callers_at_once_and_keeps_no_reader() {
    /// One after the other they would wait for two minutes, and a client here gives up after one.
    const CALLERS: usize = 24;
    let catalog = catalog();
    catalog.answer.send(NOTHING).expect("the catalog listens");
    let server = HttpServer::start_with(&[("GIFTGENIUS_CATALOG_URL", &catalog.url)]);
    let other = rusqlite::Connection::open(&server.server.journal).expect("the journal's file");
    other.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..CALLERS).map(|_| scope.spawn(|| call(&server, "suggest_gifts", &json!({})))).collect();
        let read = call(&server, "get_order", &json!({ "order_id": "ord_1" }));
        assert_eq!(read["error"]["code"], "ORDER_NOT_FOUND", "{read}");
        for caller in callers {
            let told = caller.join().expect("it does not panic");
            let error = &told["error"];
            let what = (&error["code"], &error["retryable"], &error["effects"]);
            assert_eq!(what, (&json!("STORE_UNAVAILABLE"), &json!(true), &json!("none")), "{told}");
        }
    });
    other.execute_batch("ROLLBACK").expect("its lock");
    let begun = call(&server, "suggest_gifts", &json!({}));
    assert!(begun["workflow_id"].is_string(), "{begun}");
}
