//! A catalog on a plain socket that answers when it is told to.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A catalog that says when it is asked, and answers each question as `answer` is at that time, or not at all.
pub(crate) struct Catalog {
    pub(crate) url: String,
    pub(crate) asked: Receiver<()>,
    pub(crate) answer: Sender<&'static str>,
}

pub(crate) fn catalog() -> Catalog {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let ((asking, asked), (answer, answers)) = (channel(), channel::<&'static str>());
    std::thread::spawn(move || {
        let mut said = "";
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                question.push(byte[0]);
            }
            if asking.send(()).is_err() {
                return;
            }
            if said.is_empty() {
                let Ok(answer) = answers.recv() else { return };
                said = answer;
            }
            // A question that was given up hears nothing.
            let _ = stream.write_all(said.as_bytes());
        }
    });
    Catalog { url, asked, answer }
}

pub(crate) const SENTENCE: &str =
    "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno";
pub(crate) const NOTHING: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 15\r\n\r\n\
     {\"products\":[]}";
pub(crate) const LATER: &str =
    "HTTP/1.1 503 Unavailable\r\nretry-after: 30\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
