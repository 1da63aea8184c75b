//! What clients send: frames that mean something, the same mutated, and what nobody would think of.

use giftgenius::frame::{FRAME_BYTES_MAX, ITEMS_MAX};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// What a client sends: its frames, and how many bytes at a time.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) chunk: usize,
}

pub(crate) fn session() -> impl Strategy<Value = Session> {
    let chunk = prop_oneof![Just(1_usize << 16), 1_usize..64];
    // Without a handshake few requests get further than rmcp.
    let begin = prop_oneof![2 => Just(vec![hello("hello")]), 1 => Just(Vec::new())];
    (begin, vec(frame(), 1..8), chunk).prop_map(|(begin, frames, chunk)| {
        let frames = [begin, frames].concat();
        // A megabyte a few bytes at a time shows nothing that a kilobyte does not.
        let chunk = if frames.iter().any(|frame| frame.len() > 10_000) { 1 << 16 } else { chunk };
        Session { frames, chunk }
    })
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let mutated = (valid(), vec(mutation(), 1..4)).prop_map(|(frame, all)| all.into_iter().fold(frame, mutate));
    let called = (tool(), id(), any_json()).prop_map(|(tool, id, arguments)| call(&tool, &id, &arguments));
    prop_oneof![
        4 => valid(),
        4 => slow(),
        6 => mutated,
        4 => called,
        2 => any_json().prop_map(|value| value.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..64),
        1 => any::<String>().prop_map(String::into_bytes),
        2 => big(),
    ]
}

fn hello(id: &str) -> Vec<u8> {
    let client = json!({ "name": "fuzz", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": id, "method": "initialize", "params": params }).to_string().into_bytes()
}

/// Calls that take time, because the catalog is asked for again and again, and what takes them back.
fn slow() -> impl Strategy<Value = Vec<u8>> {
    (1..3_i64, any::<bool>()).prop_map(|(id, cancels)| {
        if cancels {
            let params = json!({ "requestId": id, "reason": "the person left" });
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }).to_string().into_bytes()
        } else {
            call("search_products", &json!(id), &json!({ "query": "tea" }))
        }
    })
}

/// Calls that nest, hold much or are long: just within the bounds, just beyond them, and far beyond.
fn big() -> impl Strategy<Value = Vec<u8>> {
    let nested =
        (select(&[10_usize, 61, 62, 127, 128, 129, 10_000][..]), any::<bool>()).prop_map(|(levels, closed)| {
            let shut = "}]".repeat(if closed { levels / 2 } else { 0 });
            let params = format!(r#"{{"name":"get_order","arguments":{}1{shut}}}"#, "[{\"k\":".repeat(levels / 2));
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#).into_bytes()
        });
    let many = select(&[100_usize, ITEMS_MAX - 8, ITEMS_MAX, 3 * ITEMS_MAX][..])
        .prop_map(|items| call("get_order", &json!(2), &json!({ "x": vec![0; items] })));
    let long = select(&[1000_usize, FRAME_BYTES_MAX - 200, FRAME_BYTES_MAX, 3 * FRAME_BYTES_MAX][..])
        .prop_map(|bytes| call("get_order", &json!("long"), &json!({ "x": "x".repeat(bytes) })));
    prop_oneof![nested, many, long]
}

fn id() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (1..6_i64).prop_map(Value::from),
        1 => select(vec![json!("a"), json!("1"), json!(""), json!(1.0), json!(-1), json!(i64::MAX), json!("\u{0}☃")]),
        1 => select(vec![json!(null), json!(1.5), json!(u64::MAX), json!([1]), json!({}), json!(true)]),
    ]
}

fn tool() -> impl Strategy<Value = String> {
    let mut names: Vec<String> = giftgenius::tools::table().iter().map(|tool| tool.spec.name.to_owned()).collect();
    names.push(String::from("no_such_tool"));
    select(names)
}

fn call(tool: &str, id: &Value, arguments: &Value) -> Vec<u8> {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string().into_bytes()
}

pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "fuzz", "version": "1" },
    })
}

/// Frames that mean something.
fn valid() -> impl Strategy<Value = Vec<u8>> {
    let requests = vec![
        ("ping", json!({})),
        ("tools/list", json!({})),
        ("tools/list", json!({ "_meta": meta() })),
        ("server/discover", json!({ "_meta": meta() })),
        ("prompts/list", json!({})),
        ("resources/read", json!({ "uri": "file:///x" })),
        ("tools/call", json!({ "name": "get_order", "arguments": { "order_id": "ord_1" }, "_meta": meta() })),
        ("tools/call", json!({ "name": "search_products", "arguments": { "query": "tea" } })),
        ("tools/call", json!({ "name": "suggest_gifts", "arguments": "{}" })),
        ("subscriptions/listen", json!({ "notifications": {}, "_meta": meta() })),
        ("tasks/get", json!({ "taskId": "x" })),
    ];
    let others = [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#,
        "",
    ];
    prop_oneof![
        1 => Just(hello("again")),
        6 => (select(requests), id()).prop_map(|((method, params), id)| {
            json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string().into_bytes()
        }),
        1 => select(others.to_vec()).prop_map(|frame| frame.as_bytes().to_vec()),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec![
            json!("{\"order_id\":\"x\"}"),
            json!(1e308),
            json!(u64::MAX),
            json!("\u{0}"),
            json!("\u{feff}é\u{202e}")
        ]),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            any::<String>(),
            select(vec![
                "idempotency_key",
                "session_id",
                "order_id",
                "sku",
                "items",
                "query",
                "jsonrpc",
                "id",
                "method",
                "params"
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key, inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// One change to a frame.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Truncate(Index),
    Remove(Index, usize),
    Repeat(Index, usize),
    Insert(Index, Vec<u8>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let pieces: Vec<Vec<u8>> = [
        r#""id":1,"#,
        r#","id":2"#,
        r#""method":"ping","#,
        r#""arguments":[],"#,
        r#""name":1,"#,
        "[[[[",
        "}",
        "{",
        ",",
        "\"",
        "\\",
        "\n",
        "\r",
        "\\ud800",
        "\\u0000",
        "\u{0}",
        "\u{feff}",
        "null",
        "1e999",
        "99999999999999999999",
        "-0",
        "0x1",
        "NaN",
        "☃",
    ]
    .iter()
    .map(|piece| piece.as_bytes().to_vec())
    .chain([vec![0xff], vec![0xc0, 0x80], vec![0xed, 0xa0, 0x80], vec![0xf0, 0x9f]])
    .collect();
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        any::<Index>().prop_map(Mutation::Truncate),
        (any::<Index>(), 1..8_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Mutation::Repeat(at, length)),
        (any::<Index>(), select(pieces)).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
    ]
}

fn mutate(mut frame: Vec<u8>, mutation: Mutation) -> Vec<u8> {
    if frame.is_empty() {
        return frame;
    }
    let bytes = frame.len();
    match mutation {
        Mutation::Flip(at, bit) => frame[at.index(bytes)] ^= 1 << bit,
        Mutation::Truncate(at) => frame.truncate(at.index(bytes)),
        Mutation::Remove(at, length) => {
            let at = at.index(bytes);
            frame.drain(at..(at + length).min(bytes));
        }
        Mutation::Repeat(at, length) => {
            let at = at.index(bytes);
            let part = frame[at..(at + length).min(bytes)].to_vec();
            frame.splice(at..at, part);
        }
        Mutation::Insert(at, piece) => {
            let at = at.index(bytes);
            frame.splice(at..at, piece);
        }
    }
    frame
}
