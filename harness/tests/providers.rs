//! `misrule providers` and `giftgenius serve`, both as real processes: what README promises to a person who tries them.
#![cfg(unix)]

mod support;

use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};
use support::folder;
use support::real::{PATIENCE, Running, Shop, giftgenius, lines};
use tempfile::TempDir;

/// GiftGenius as the printed settings say, but for its port.
struct Server {
    _process: Running,
    address: String,
    token: String,
    _log: Receiver<String>,
}

impl Server {
    fn start(folder: &TempDir, shop: &Shop) -> Self {
        assert_eq!(shop.serve, ["--http", "127.0.0.1:8080"]);
        let mut command = Command::new(giftgenius());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GIFTGENIUS_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--http", "127.0.0.1:0"]).envs(shop.settings.iter().cloned()).current_dir(folder.path());
        let mut process = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts"));
        let log = lines(process.0.stderr.take().expect("stderr is piped"));
        let address = loop {
            let line = log.recv_timeout(PATIENCE).expect("it begins to listen");
            let line: Value = serde_json::from_str(&line).expect("a line of the log is JSON");
            if line["event"] == "listening" {
                break line["address"].as_str().expect("an address").to_owned();
            }
        };
        let users = shop.settings.iter().find(|(name, _)| name == "GIFTGENIUS_USERS").expect("users are set");
        let token = users.1.strip_prefix("ann=").expect("ann's token").to_owned();
        Self { _process: process, address, token, _log: log }
    }

    /// A tool call as README makes it by curl.
    fn call(&self, tool: &str, arguments: &str) -> Value {
        let arguments: Value = serde_json::from_str(arguments).expect("arguments are JSON");
        let params = json!({ "name": tool, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let reply = runtime.block_on(async {
            let sent = reqwest::Client::builder().no_proxy().build().expect("a client");
            let sent = sent.post(format!("http://{}/mcp", self.address)).bearer_auth(&self.token);
            let sent = sent.header("content-type", "application/json");
            let sent = sent.header("accept", "application/json, text/event-stream").body(body);
            sent.send().await.expect("it answers").text().await.expect("a body")
        });
        let reply: Value = serde_json::from_str(&reply).expect("the reply is JSON");
        reply["result"]["structuredContent"].clone()
    }
}

/// The calls of README's example: tool and arguments, in its order.
fn calls_of_readme() -> Vec<(String, String)> {
    let readme = include_str!("../../README.md");
    let mut calls = Vec::new();
    for line in readme.lines() {
        let Some((_, rest)) = line.split_once("call ") else { continue };
        let Some((tool, rest)) = rest.split_once(" '") else { continue };
        let Some((arguments, _)) = rest.rsplit_once('\'') else { continue };
        calls.push((tool.to_owned(), arguments.to_owned()));
    }
    calls
}

/// Buys what README's example buys; gives the order and what the providers said.
fn buy(words: &[&str]) -> (String, String) {
    let folder = folder(&[]);
    // Before the clock of the providers starts.
    let _built = giftgenius();
    let shop = Shop::start(&folder, words);
    let server = Server::start(&folder, &shop);
    let calls = calls_of_readme();
    let tools: Vec<_> = calls.iter().map(|(tool, _)| tool.as_str()).collect();
    assert_eq!(tools, ["search_products", "create_checkout_session", "create_order"], "README's example");
    let found = server.call(&calls[0].0, &calls[0].1);
    assert!(found["products"].as_array().is_some_and(|products| !products.is_empty()), "{found}");
    let session = server.call(&calls[1].0, &calls[1].1);
    let session = session["checkout_session_id"].as_str().expect("a session").to_owned();
    let arguments = calls[2].1.replace("'\"$session\"'", &session).replace("'$session'", &session);
    let bought = server.call(&calls[2].0, &arguments);
    assert_eq!(bought["status"], "success", "{bought}");
    let order = bought["order_id"].as_str().expect("an order").to_owned();
    drop(server);
    let (code, said) = shop.end();
    assert_eq!(code, Some(0), "{said}");
    for line in said.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    (order, said)
}

/// What is printed, without what no two purchases share: times, and the digits of orders and keys.
fn shared(printed: &str) -> String {
    let shared = |line: &str| {
        let line = line.split_once("s  ").map_or(line, |(_, rest)| rest);
        let is_made_up = |word: &str| {
            let digits = word.trim_start_matches("ord_").trim_end_matches(['…', ',']);
            let digits = digits.split('/').next().unwrap_or(digits);
            digits.len() >= 8 && digits.chars().all(|digit| digit.is_ascii_hexdigit())
        };
        let words =
            line.split(' ').map(|word| if is_made_up(word) { "?".repeat(word.chars().count()) } else { word.into() });
        words.collect::<Vec<_>>().join(" ")
    };
    printed.trim().lines().map(shared).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_purchase_prints_what_readme_shows() {
    let readme = include_str!("../../README.md");
    let shown = readme.split("```text\n").find(|block| block.contains("catalog.search#1")).expect("README's sample");
    let shown = shown.split("```").next().expect("a block");
    let (_, said) = buy(&[]);
    assert_eq!(shared(&said), shared(shown), "{said}");
}

#[test]
fn a_person_buys_a_gift_from_the_printed_settings_alone() {
    let (order, said) = buy(&["--plan", "payment.charge#1: lost_reply; payment.charge#9: reset"]);
    assert!(said.contains("catalog.quote#1"), "{said}");
    assert!(said.contains("✗lost_reply") && said.contains("✔ charged ch_1 42.00 EUR"), "{said}");
    let books = said.split("in the books: ").nth(1).expect("the books").replace('\n', " ");
    assert!(books.starts_with(&format!("charge ch_1 of 42.00 EUR for {order}")), "{books}");
    assert!(books.contains("commit rsv_1 of 1 tea-set"), "{books}");
    assert!(books.contains("never struck: payment.charge#9: reset"), "{books}");
}

#[test]
fn events_are_posted_where_they_are_asked_for() {
    let folder = folder(&[]);
    // The port of a listener that takes one request and answers well.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let shop = Shop::start(&folder, &["--webhooks", &address, "--plan", "webhook.event#1: twice"]);
    assert_eq!(shop.serve, ["--http", &address]);
    assert!(shop.settings.iter().any(|(name, _)| name == "GIFTGENIUS_PAYMENT_WEBHOOK_SECRET"));
    let payment = &shop.settings.iter().find(|(name, _)| name == "GIFTGENIUS_PAYMENT_URL").expect("a URL").1;
    let body = json!({ "reference": "ord_x", "amount": 4200, "currency": "EUR", "customer": "ann",
        "payment_method": "pm_ann_visa" });
    let url = format!("{payment}/v1/charges");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            let sent = client.post(url).header("idempotency-key", "k-1").body(body.to_string()).send().await;
            assert_eq!(sent.expect("an answer").status(), 201);
        });
    });
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().expect("an event comes");
        let mut request = [0; 4096];
        let read = stream.read(&mut request).expect("a request");
        let request = String::from_utf8_lossy(&request[..read]).into_owned();
        assert!(request.starts_with("POST /webhooks/payment"), "{request}");
        assert!(request.contains("payment-signature: t="), "{request}");
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .expect("the answer goes out");
    }
    let (code, said) = shop.end();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_port_that_is_taken_ends_with_exit_code_4() {
    let folder = folder(&[]);
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("an address").port().to_string();
    let Output { status, stdout, stderr } = support::misrule(folder.path(), &["providers", "--port", &port]);
    let said = support::text(&stderr);
    // The two ports after it may be beyond the last one.
    if port.parse::<u16>().expect("a port") < u16::MAX - 1 {
        assert_eq!(status.code(), Some(4), "{said}");
        assert!(said.contains(&format!("cannot listen on 127.0.0.1:{port}: the port is taken")), "{said}");
        assert_eq!(support::text(&stdout), "", "no settings are printed that nothing serves");
    }
}
