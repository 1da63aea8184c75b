//! The real binary, started and spoken to by hand: JSON-RPC frames over a plain socket or a pipe, so that nothing of
//! the server's own libraries stands on both sides.

#![allow(dead_code, reason = "each test binary uses its part")]
#![expect(clippy::needless_pass_by_value, reason = "a call with json!(…) in place reads better")]

pub(crate) mod catalog;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A test that waits longer than this has failed; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const ANN: &str = "ann-t0ken-of-20-byte";
pub(crate) const BOB: &str = "bob-t0ken-of-20-byte";

/// The binary, with nothing of the caller's own settings.
pub(crate) fn giftgenius(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_giftgenius"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GIFTGENIUS_")) {
        command.env_remove(name);
    }
    command.args(args);
    command
}

/// The same with a whole configuration; the providers are not there, and the tests need none.
pub(crate) fn configured(args: &[&str], journal: &std::path::Path) -> Command {
    let mut command = giftgenius(args);
    command
        .env("GIFTGENIUS_JOURNAL", journal)
        .env("GIFTGENIUS_PAYMENT_URL", "http://127.0.0.1:9")
        .env("GIFTGENIUS_CATALOG_URL", "http://127.0.0.1:9")
        .env("GIFTGENIUS_INVENTORY_URL", "http://127.0.0.1:9")
        .env("GIFTGENIUS_PAYMENT_API_KEY", "s3cret")
        .env("GIFTGENIUS_USERS", format!("ann={ANN},bob={BOB}"))
        .env("GIFTGENIUS_USER", "ann");
    command
}

/// Runs a command that ends by itself.
pub(crate) fn output(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("the binary writes UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// What is written there, line by line; it is read whether or not anybody asks, so that nobody blocks on writing it.
fn lines_of(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// A receiver alone could not be shared among threads that call.
    log: Mutex<Receiver<String>>,
    pub(crate) log_seen: Vec<String>,
    pub(crate) journal: PathBuf,
    _dir: TempDir,
}

impl Server {
    fn start(args: &[&str], settings: &[(&str, &str)], stdin: Stdio, stdout: Stdio) -> Self {
        let mut server = Self::start_unread(args, settings, stdin, stdout);
        server.log = Mutex::new(lines_of(server.child.stderr.take().expect("stderr is piped")));
        server
    }

    /// The same, and nobody reads what it writes to stderr.
    fn start_unread(args: &[&str], settings: &[(&str, &str)], stdin: Stdio, stdout: Stdio) -> Self {
        Self::start_as(|command| command, args, settings, stdin, stdout)
    }

    fn start_as(
        how: impl FnOnce(Command) -> Command,
        args: &[&str],
        settings: &[(&str, &str)],
        stdin: Stdio,
        stdout: Stdio,
    ) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let journal = dir.path().join("journal.db");
        let child = how(configured(args, &journal))
            .envs(settings.iter().copied())
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        Self { child, log: Mutex::new(channel().1), log_seen: Vec::new(), journal, _dir: dir }
    }

    /// Waits for a log line of this event.
    pub(crate) fn event(&mut self, event: &str) -> Value {
        loop {
            let line = match self.log.get_mut().expect("no reader panics").recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(error) => panic!("no event {event} ({error}); seen: {:#?}", self.log_seen),
            };
            self.log_seen.push(line.clone());
            let line: Value = serde_json::from_str(&line).expect("every line of the log is JSON");
            if line["event"] == event {
                return line;
            }
        }
    }

    /// Waits for the end; the log is read to its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        self.log_seen.extend(self.log.get_mut().expect("no reader panics").iter());
        status
    }

    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill starts").success());
    }
}

#[cfg(target_os = "linux")]
impl Server {
    /// From now on no byte that it writes to a file is taken, as on a full disk; or every one again.
    pub(crate) fn fill_the_disk(&self, full: bool) {
        let limit = if full { "--fsize=0:" } else { "--fsize=unlimited:" };
        let pid = self.child.id().to_string();
        let limited = Command::new("prlimit").args([limit, "--pid", &pid]).status();
        assert!(limited.expect("util-linux is installed").success());
    }
}

/// The command, told to take a write beyond the limit of a file's size as an error and not as its end.
fn outliving_a_full_disk(command: Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap '' XFSZ; exec "$0" "$@""#]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server over HTTP.
pub(crate) struct HttpServer {
    pub(crate) server: Server,
    pub(crate) address: String,
}

/// A reply over HTTP.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl HttpServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further settings, as environment variables.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::of(Server::start(&Self::ARGUMENTS, settings, Stdio::null(), Stdio::null()))
    }

    /// The same on a disk that can be filled ([`Server::fill_the_disk`]).
    pub(crate) fn start_on_a_disk() -> Self {
        let mut server = Server::start_as(outliving_a_full_disk, &Self::ARGUMENTS, &[], Stdio::null(), Stdio::null());
        server.log = Mutex::new(lines_of(server.child.stderr.take().expect("stderr is piped")));
        Self::of(server)
    }

    const ARGUMENTS: [&str; 3] = ["serve", "--http", "127.0.0.1:0"];

    fn of(mut server: Server) -> Self {
        let address = server.event("listening")["address"].as_str().expect("an address").to_owned();
        Self { server, address }
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        self.send_bytes(method, path, headers, body.as_bytes())
    }

    /// The same with a body of any bytes.
    pub(crate) fn send_bytes(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        let own = [("host", self.address.as_str()), ("content-length", &body.len().to_string())];
        let own = own.iter().filter(|(name, _)| !headers.iter().any(|(given, _)| given == name));
        for (name, value) in headers.iter().chain(own) {
            write!(request, "{name}: {value}\r\n").expect("a String takes everything");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).expect("the request can be written");
        stream.write_all(body).expect("the body can be written");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("the reply can be read");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// One JSON-RPC request, as a client of 2025-11-25 (after its handshake) sends it.
    pub(crate) fn rpc(&self, token: &str, method: &str, params: Value) -> Value {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        let reply = self.send("POST", "/mcp", &headers, &request(1, method, &params).to_string());
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// One JSON-RPC request, as a client of 2026-07-28 sends it: no handshake, everything with each request.
    pub(crate) fn rpc_2026(&self, token: &str, method: &str, params: Value) -> Value {
        let authorization = format!("Bearer {token}");
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let mut headers = vec![
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        let body = request(1, method, &with_2026_meta(params)).to_string();
        let reply = self.send("POST", "/mcp", &headers, &body);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }
}

/// A server on stdin and stdout.
pub(crate) struct StdioServer {
    pub(crate) server: Server,
    lines: Receiver<String>,
}

impl StdioServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these further arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<&str> = ["serve", "--stdio"].iter().chain(arguments).copied().collect();
        Self::of(Server::start(&arguments, &[], Stdio::piped(), Stdio::piped()))
    }

    /// Nobody reads its log.
    pub(crate) fn start_unread() -> Self {
        Self::of(Server::start_unread(&["serve", "--stdio"], &[], Stdio::piped(), Stdio::piped()))
    }

    fn of(mut server: Server) -> Self {
        let lines = lines_of(server.child.stdout.take().expect("stdout is piped"));
        Self { server, lines }
    }

    pub(crate) fn send(&mut self, frame: &Value) {
        self.send_bytes(format!("{frame}\n").as_bytes());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.server.child.stdin.as_mut().expect("stdin is piped");
        stdin.write_all(bytes).expect("the server reads");
    }

    pub(crate) fn receive(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("the server answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub(crate) fn rpc(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.send(&request(id, method, &params));
        let reply = self.receive();
        assert_eq!(reply["id"], id, "{reply}");
        reply
    }

    pub(crate) fn close_stdin(&mut self) {
        self.server.child.stdin.take();
    }
}

pub(crate) fn request(id: u32, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// What a client of 2026-07-28 sends with each request.
pub(crate) fn with_2026_meta(mut params: Value) -> Value {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
    params
}

/// What a client of 2025-11-25 begins with.
pub(crate) fn initialize_2025() -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    })
}

/// The tools of a `tools/list` reply; each is published whole.
pub(crate) fn tools(reply: &Value) -> Vec<String> {
    let tools = reply["result"]["tools"].as_array().unwrap_or_else(|| panic!("no list of tools: {reply}"));
    tools
        .iter()
        .map(|tool| {
            assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
            assert!(tool["outputSchema"].is_object(), "{tool}");
            assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
            tool["name"].as_str().expect("a name").to_owned()
        })
        .collect()
}
