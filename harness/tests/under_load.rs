//! The real server under load: killed again and again in the middle of sales it loses nothing and makes no double charge, and
//! its memory does not grow with the calls.
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::folder;
use support::real::{PATIENCE, Running, Shop, giftgenius, lines};
use tempfile::TempDir;

/// The server over one journal, in its present life.
struct Server {
    process: Running,
    address: String,
    _log: Receiver<String>,
}

impl Server {
    fn start(folder: &TempDir, shop: &Shop) -> Self {
        let mut command = Command::new(giftgenius());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GIFTGENIUS_")) {
            command.env_remove(name);
        }
        command
            .args(["serve", "--http", "127.0.0.1:0", "--calls-per-minute", "1000000", "--open-sessions", "1000000"])
            .envs(shop.settings.iter().cloned())
            .current_dir(folder.path());
        let mut process = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts"));
        let log = lines(process.0.stderr.take().expect("stderr is piped"));
        let address = loop {
            let line = log.recv_timeout(PATIENCE).expect("it begins to listen");
            let line: Value = serde_json::from_str(&line).expect("a line of the log is JSON");
            if line["event"] == "listening" {
                break line["address"].as_str().expect("an address").to_owned();
            }
        };
        Self { process, address, _log: log }
    }

    fn memory_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

/// A client of whatever life of the server there is.
#[derive(Clone)]
struct Client {
    address: Arc<Mutex<String>>,
    token: String,
    http: reqwest::Client,
}

impl Client {
    fn of(server: &Server, shop: &Shop) -> Self {
        let users = shop.settings.iter().find(|(name, _)| name == "GIFTGENIUS_USERS").expect("users are set");
        let token = users.1.strip_prefix("ann=").expect("ann's token").to_owned();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { address: Arc::new(Mutex::new(server.address.clone())), token, http }
    }

    /// `None` where the server died before it answered.
    async fn call(&self, tool: &str, arguments: Value) -> Option<Value> {
        let params = json!({ "name": tool, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let address = self.address.lock().expect("an address").clone();
        let sent = self.http.post(format!("http://{address}/mcp")).bearer_auth(&self.token);
        let sent = sent.header("content-type", "application/json").timeout(PATIENCE).body(body).send().await.ok()?;
        let reply: Value = serde_json::from_str(&sent.text().await.ok()?).ok()?;
        Some(reply["result"]["structuredContent"].clone())
    }

    /// Calls until there is an answer, from whichever life.
    async fn answer(&self, tool: &str, arguments: Value) -> Value {
        let began = Instant::now();
        loop {
            if let Some(answer) = self.call(tool, arguments.clone()).await {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "{tool} is never answered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Buys one gift under one key, repeating the call as long as it may be repeated; the order.
    async fn buys(&self, key: &str, answers: &AtomicUsize) -> String {
        let items = json!([{ "sku": "tea-set", "quantity": 1 }]);
        let session = self.answer("create_checkout_session", json!({ "items": items, "currency": "EUR" })).await;
        let session = session["checkout_session_id"].as_str().unwrap_or_else(|| panic!("{session}")).to_owned();
        let arguments =
            json!({ "checkout_session_id": session, "payment_method_id": "pm_ann_visa", "idempotency_key": key });
        let began = Instant::now();
        loop {
            let told = self.answer("create_order", arguments.clone()).await;
            answers.fetch_add(1, Ordering::Relaxed);
            if told["status"] == "success" {
                return told["order_id"].as_str().expect("an order").to_owned();
            }
            let again = told["status"] == "pending" || told["error"]["retryable"] == true;
            assert!(again && began.elapsed() < PATIENCE, "{key}: {told}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A shop with more of everything than the tests buy.
fn shop(folder: &TempDir) -> Shop {
    let fixtures = folder.path().join("plenty");
    fs::create_dir(&fixtures).expect("a folder");
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut catalog: Value =
        serde_json::from_str(&fs::read_to_string(own.join("catalog.json")).expect("a catalog")).expect("JSON");
    for product in catalog["products"].as_array_mut().expect("products") {
        product["stock"] = json!(1_000_000);
    }
    fs::write(fixtures.join("catalog.json"), catalog.to_string()).expect("a file");
    fs::copy(own.join("promo_codes.json"), fixtures.join("promo_codes.json")).expect("a file");
    Shop::start(folder, &["--fixtures", "plenty"])
}

#[test]
fn killed_in_the_middle_of_sales_it_loses_nothing_and_charges_nobody_twice() {
    const BUYERS: usize = 6;
    const EACH: usize = 8;
    const KILLS: usize = 6;
    let folder = folder(&[]);
    let shop = shop(&folder);
    let mut server = Server::start(&folder, &shop);
    let client = Client::of(&server, &shop);
    let answers = Arc::new(AtomicUsize::new(0));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let buyers: Vec<_> = (0..BUYERS)
        .map(|buyer| {
            let (client, answers) = (client.clone(), answers.clone());
            runtime.spawn(async move {
                let mut orders = Vec::new();
                for gift in 0..EACH {
                    orders.push(client.buys(&format!("gift-{buyer}-of-{gift}"), &answers).await);
                }
                orders
            })
        })
        .collect();
    for kill in 1..=KILLS {
        // After some answers, while others are on their way.
        let began = Instant::now();
        while answers.load(Ordering::Relaxed) < kill * 3 && buyers.iter().any(|buyer| !buyer.is_finished()) {
            assert!(began.elapsed() < PATIENCE, "nothing is sold");
            std::thread::sleep(Duration::from_millis(5));
        }
        server.process.signal("-KILL");
        server.process.0.wait().expect("it was killed");
        server = Server::start(&folder, &shop);
        client.address.lock().expect("an address").clone_from(&server.address);
    }
    let orders: Vec<String> =
        buyers.into_iter().flat_map(|buyer| runtime.block_on(buyer).expect("each gift is bought")).collect();
    assert_eq!(orders.len(), BUYERS * EACH);
    let parked = Command::new(giftgenius())
        .args(["orders", "--parked", "--journal", "giftgenius.db"])
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    assert_eq!(String::from_utf8_lossy(&parked.stdout), "no parked orders\n");
    drop(server);

    let (code, said) = shop.end();
    assert_eq!(code, Some(0), "{said}");
    let books = said.split("in the books: ").nth(1).expect("the books").replace('\n', " ");
    let mut stands: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for effect in books.split(", ").map(str::trim) {
        let (what, order) = effect.rsplit_once(" for ").unwrap_or_else(|| panic!("{effect}"));
        stands.entry(order).or_default().push(what.split(' ').next().expect("a word"));
    }
    for order in &orders {
        assert_eq!(stands.get(order.as_str()), Some(&vec!["charge", "commit"]), "{order}");
    }
    assert_eq!(stands.len(), orders.len(), "nothing else stands: {stands:?}");
}

/// `cargo test -p misrule --test under_load -- --ignored --nocapture`
#[cfg(target_os = "linux")]
#[test]
#[expect(clippy::print_stdout, reason = "the figure is what it is run for")]
#[ignore = "a measurement of minutes; the figure is printed"]
fn memory_stays_flat_over_a_hundred_thousand_calls() {
    const CALLS: usize = 100_000;
    let folder = folder(&[]);
    let shop = shop(&folder);
    let server = Server::start(&folder, &shop);
    let client = Client::of(&server, &shop);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut figures = Vec::new();
    for round in 0..10_usize {
        let callers: Vec<_> = (0..8_usize)
            .map(|caller| {
                let client = client.clone();
                runtime.spawn(async move {
                    let answers = AtomicUsize::new(0);
                    for call in 0..CALLS / 10 / 8 {
                        match call % 50 {
                            0 => drop(client.buys(&format!("gift-{round}-{caller}-{call}"), &answers).await),
                            1..25 => drop(client.answer("search_products", json!({ "query": "tea" })).await),
                            _ => drop(client.answer("get_order", json!({ "order_id": format!("ord_{call}") })).await),
                        }
                    }
                })
            })
            .collect();
        for caller in callers {
            runtime.block_on(caller).expect("its calls are answered");
        }
        figures.push(server.memory_kb());
        println!("after {} calls: {} kB", (round + 1) * CALLS / 10, server.memory_kb());
    }
    let (early, late) = (figures[1], figures[9]);
    assert!(late < early + early / 2, "it grows: {figures:?}");
}
