use serde_json::json;

use super::*;

/// What an answered frame is answered with: id, code, and the message.
fn refused(frame: impl AsRef<[u8]>) -> (Value, i64, String) {
    match judge(frame.as_ref()) {
        Verdict::Refused(refusal) => {
            let answer = refusal.answer();
            assert_eq!(answer["jsonrpc"], "2.0");
            let error = &answer["error"];
            (answer["id"].clone(), error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
        }
        other => panic!("{}: {other:?}", String::from_utf8_lossy(&frame.as_ref()[..frame.as_ref().len().min(200)])),
    }
}

fn call(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}"#)
}

fn nested(levels: usize) -> String {
    call(&format!(r#"{{"name":"get_order","arguments":{{"x":{}1{}}}}}"#, "[".repeat(levels), "]".repeat(levels)))
}

fn asked(frame: &str) -> Asked {
    match judge(frame.as_bytes()) {
        Verdict::Request(asked) => *asked,
        other => panic!("{frame:.200}: {other:?}"),
    }
}

#[test]
fn what_is_no_message_is_answered_with_its_id_where_that_can_be_read() {
    let deep = nested(10_000);
    let unclosed = format!(r#"{{"id":3,"a":{}"#, "[".repeat(10_000));
    let many = call(&format!(r#"{{"name":"get_order","arguments":{{"x":[{}1]}}}}"#, "1,".repeat(ITEMS_MAX)));
    let long = call(&format!(r#"{{"name":"get_order","arguments":{{"x":"{}"}}}}"#, "x".repeat(10_000_000)));
    let id_after =
        format!(r#"{{"method":"tools/call","params":{}1{},"jsonrpc":"2.0","id":"z"}}"#, "[".repeat(99), "]".repeat(99));
    let flood: Vec<String> = (0..2 * ITEMS_MAX).map(|n| format!(r#""k{n}":0,"#)).collect();
    let flood = format!(r#"{{{}"id":5,"jsonrpc":"2.0","method":"ping"}}"#, flood.concat());
    let table: &[(&[u8], Value, i64, &str)] = &[
        (b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":}", json!(7), -32700, "expected value at line 1 column 34"),
        (b"", json!(null), -32700, "EOF while parsing a value at line 1 column 0"),
        (b"hello", json!(null), -32700, "expected value at line 1 column 1"),
        (b"{\"id\":1,\"method\":\"\xff\"}", json!(1), -32700, "invalid UTF-8 at byte 19"),
        (b"\xfe\xff\x00{", json!(null), -32700, "invalid UTF-8 at byte 1"),
        (b"{\"id\":1,\"method\":\"a\x00b\"}", json!(1), -32700, "control character"),
        (b"{\"id\":1,\x00\"method\":\"ab\"}", json!(null), -32700, "line 1 column 9"),
        (br#"{"id":1,"method":"\ud800"}"#, json!(1), -32700, "at line 1 column 25"),
        (br#"{"id":1,"method":"\udc00x"}"#, json!(1), -32700, "surrogate"),
        (br#"{"jsonrpc":"2.0","id":12"#, json!(null), -32700, "EOF while parsing an object"),
        (br#"{"id":1e999,"jsonrpc":"2.0","method":"ping"}"#, json!(null), -32600, "an integer of up to 64 bits"),
        (br#"{"id":1,"method":"ping","jsonrpc":"2.0"} {"id":2}"#, json!(1), -32700, "trailing characters"),
        (deep.as_bytes(), json!(7), -32600, "may nest 64 deep"),
        (unclosed.as_bytes(), json!(3), -32600, "may nest 64 deep"),
        (id_after.as_bytes(), json!("z"), -32600, "may nest 64 deep"),
        (many.as_bytes(), json!(7), -32600, "may hold 10000 values"),
        (flood.as_bytes(), json!(5), -32600, "may hold 10000 values"),
        (long.as_bytes(), json!(7), -32600, "at most 1048576 bytes"),
        (b"[]", json!(null), -32600, "MCP has no batches"),
        (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, json!(null), -32600, "MCP has no batches"),
        (b"7", json!(null), -32600, "this is a number"),
        (b"null", json!(null), -32600, "this is null"),
        (br#""ping""#, json!(null), -32600, "this is text"),
    ];
    for (frame, id, code, message) in table {
        let (got_id, got_code, got) = refused(frame);
        let shown = String::from_utf8_lossy(&frame[..frame.len().min(120)]);
        assert_eq!((&got_id, got_code), (id, *code), "{shown}: {got}");
        assert!(got.contains(message), "{shown}: {got}");
        assert!(got.len() < 300, "{shown}: {got}");
    }
}

#[test]
fn what_is_no_request_is_told_why() {
    let table = [
        (r#"{"id":1,"method":"ping"}"#, json!(1), -32600, "`jsonrpc` has to be \"2.0\""),
        (r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, json!("a"), -32600, "`jsonrpc`"),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, json!(1), -32600, "`jsonrpc`"),
        (r#"{"jsonrpc":"2.0","id":1}"#, json!(1), -32600, "no `method`"),
        (r#"{"jsonrpc":"2.0"}"#, json!(null), -32600, "no `method`"),
        ("{}", json!(null), -32600, "`jsonrpc`"),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, json!(1), -32600, "`method` has to be text"),
        (r#"{"jsonrpc":"2.0","method":["ping"]}"#, json!(null), -32600, "`method` has to be text"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, json!(1), -32600, "either a request or an answer"),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, json!(null), -32600, "never null"),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, json!(null), -32600, "integer"),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, json!(null), -32600, "integer"),
        (r#"{"jsonrpc":"2.0","id":99999999999999999999,"method":"ping"}"#, json!(null), -32600, "64 bits"),
        (
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
            json!(null),
            -32600,
            "the key `id` stands twice in the message",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"x"}"#, json!(1), -32600, "the key `method`"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tool/list"}"#,
            json!(1),
            -32601,
            "unknown method `tool/list`; did you mean `tools/list`?",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"buy"}"#,
            json!(1),
            -32601,
            "unknown method `buy`; there are `initialize`",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[1]}"#,
            json!(1),
            -32602,
            "are a list, not an object",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":1}}"#,
            json!(1),
            -32602,
            "is a number, not text",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, json!(1), -32602, "`protocolVersion` (text)"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#, json!(1), -32602, "`protocolVersion` (text)"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, json!(1), -32602, "without params"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"prompts/list"}"#, json!(1), -32601, "unknown method `prompts/list`"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
            json!(1),
            -32601,
            "has no `initialize`",
        ),
    ];
    for (frame, id, code, message) in table {
        let (got_id, got_code, got) = refused(frame);
        assert_eq!((&got_id, got_code), (&id, code), "{frame}: {got}");
        assert!(got.contains(message), "{frame}: {got}");
    }
}

#[test]
fn a_call_needs_a_name_and_each_key_once() {
    let table = [
        (r#"{"arguments":{}}"#, "without the `name`"),
        (r#"{"name":7,"arguments":{}}"#, "the `name` of the tool is a number, not text"),
        (r#"{"name":null}"#, "the `name` of the tool is null"),
        (r#"{"name":"get_order","_meta":[]}"#, "the `_meta` of `tools/call` is a list, not an object"),
        (r#"{"name":"a","name":"b"}"#, "the key `name` stands twice in `/params`"),
        (
            r#"{"name":"create_order","arguments":{"items":[{},{"a/b":{"price":1,"price":2}}]}}"#,
            "the key `price` stands twice in `/params/arguments/items/1/a~1b`",
        ),
    ];
    for (params, message) in table {
        let (id, code, got) = refused(call(params));
        assert_eq!((id, code), (json!(7), -32602), "{params}: {got}");
        assert!(got.contains(message), "{params}: {got}");
    }
}

#[test]
fn arguments_of_every_kind_go_on_and_those_that_are_no_object_go_beside() {
    for absent in [r#"{"name":"get_order"}"#, r#"{"name":"get_order","arguments":null}"#] {
        let asked = asked(&call(absent));
        assert_eq!((asked.raw_arguments, asked.rewritten), (None, None));
    }
    let whole = asked(&call(r#"{"name":"get_order","arguments":{"order_id":"ord_1"}}"#));
    assert_eq!(whole.raw_arguments, None);
    assert_eq!(serde_json::to_value(&whole.message).unwrap()["params"]["arguments"], json!({"order_id": "ord_1"}));
    for raw in [json!("{\"order_id\":\"ord_1\"}"), json!("x"), json!([1, {"a": 2}]), json!(7), json!(1.5), json!(true)]
    {
        let asked = asked(&call(&json!({"name": "get_order", "arguments": raw, "_meta": {"k": 1}}).to_string()));
        assert_eq!(asked.raw_arguments, Some(RawArguments(raw.clone())), "{raw}");
        let rest: Value = serde_json::from_slice(&asked.rewritten.unwrap()).unwrap();
        assert_eq!(rest["params"], json!({"name": "get_order", "_meta": {"k": 1}}), "{raw}");
        assert_eq!((&rest["id"], &rest["method"]), (&json!(7), &json!("tools/call")));
    }
}

#[test]
fn what_fits_goes_on_as_it_came() {
    // The frame, its params and the arguments are three levels.
    assert_eq!(asked(&nested(DEPTH_MAX - 3)).rewritten, None);
    assert!(refused(nested(DEPTH_MAX - 2)).2.contains("nest"));
    let many = |n: usize| call(&format!(r#"{{"name":"get_order","arguments":{{"x":[{}1]}}}}"#, "1,".repeat(n - 1)));
    // Seven others: the four members of the frame, the two of its params, and `x`.
    asked(&many(ITEMS_MAX - 7));
    assert!(refused(many(ITEMS_MAX - 6)).2.contains("values"));
    let shell = call(r#"{"name":"get_order","arguments":{"x":""}}"#);
    let long = |bytes: usize| shell.replace(r#""""#, &format!("\"{}\"", "x".repeat(bytes - shell.len())));
    asked(&long(FRAME_BYTES_MAX));
    assert!(refused(long(FRAME_BYTES_MAX + 1)).2.contains("bytes"));
    for frame in [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
        r#"  {"params":null,"method":"tools/list","id":"☃","jsonrpc":"2.0"}  "#,
        "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":-1,\"method\":\"tools/list\"}",
        r#"{"jsonrpc":"2.0","id":1.0,"method":"server/discover","params":{"_meta":{}},"more":1}"#,
    ] {
        assert_eq!(asked(frame).rewritten, None, "{frame}");
    }
}

#[test]
fn a_notification_is_never_answered_and_an_answer_means_nothing() {
    let cancels = |frame: &str| match judge(frame.as_bytes()) {
        Verdict::Notification { cancels } => cancels,
        other => panic!("{frame}: {other:?}"),
    };
    assert_eq!(cancels(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), None);
    assert_eq!(cancels(r#"{"jsonrpc":"2.0","method":"no/such","params":[1]}"#), None);
    let cancel = |params: &str| format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#);
    assert_eq!(cancels(&cancel(r#"{"requestId":7}"#)), Some(RequestId::Number(7)));
    assert_eq!(cancels(&cancel(r#"{"requestId":{}}"#)), None);
    assert_eq!(cancels(&cancel("1")), None);

    let deep = format!(r#"{{"method":"x","params":{}{}}}"#, "[".repeat(99), "]".repeat(99));
    for malformed in [
        r#"{"method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"x","params":{"a":1,"a":2}}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"get_order"}}"#,
        &deep,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"code":2}}"#,
    ] {
        assert!(matches!(judge(malformed.as_bytes()), Verdict::Ignored(_)), "{malformed}");
    }
    for answer in [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, r#"{"id":null,"error":7}"#] {
        assert!(matches!(judge(answer.as_bytes()), Verdict::Response), "{answer}");
    }
}

#[test]
fn what_came_is_repeated_in_bounds() {
    let frame = json!({"jsonrpc": "2.0", "id": 1, "method": "é".repeat(10_000)}).to_string();
    let (_, _, message) = refused(frame);
    assert!(message.len() < 300 && message.contains("éé…`"), "{message}");
}
