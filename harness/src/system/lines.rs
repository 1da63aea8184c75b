//! Lines of a process that may write anything: a line that never ends is dropped from its bound on, not kept.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// The longest line that is kept. The longest honest one is an answer of a few megabytes.
pub(super) const LINE_MAX: usize = 16 << 20;

/// What came of reading a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Came {
    /// A whole line, its end cut off.
    Line,
    /// The first part of a line that is longer than the bound; the rest has not been read.
    TooLong,
    /// The end, perhaps after the part of a line.
    End,
}

/// Reads on until `line` is whole, longer than `max`, or the reader ends. What was read stays in `line` when this is
/// cancelled, so it can be called again.
pub(super) async fn next(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>, max: usize) -> io::Result<Came> {
    loop {
        let read = reader.fill_buf().await?;
        if read.is_empty() {
            return Ok(Came::End);
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(read.len()).min(max.saturating_sub(line.len()));
        line.extend_from_slice(&read[..taken]);
        match end {
            Some(end) if taken == end => {
                reader.consume(end + 1);
                return Ok(Came::Line);
            }
            Some(_) => {
                reader.consume(taken);
                return Ok(Came::TooLong);
            }
            None => {
                let short = taken < read.len();
                reader.consume(taken);
                if short || line.len() >= max {
                    return Ok(Came::TooLong);
                }
            }
        }
    }
}

/// Passes over the rest of a line that was too long, keeping nothing of it.
pub(super) async fn skip(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<()> {
    loop {
        let read = reader.fill_buf().await?;
        if read.is_empty() {
            return Ok(());
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let passed = end.map_or(read.len(), |end| end + 1);
        reader.consume(passed);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    async fn read(text: &[u8], max: usize) -> Vec<(Came, String)> {
        let mut reader = BufReader::with_capacity(4, text);
        let mut all = Vec::new();
        loop {
            let mut line = Vec::new();
            let came = next(&mut reader, &mut line, max).await.expect("memory is read");
            all.push((came, String::from_utf8(line).expect("text")));
            match came {
                Came::Line => {}
                Came::TooLong => skip(&mut reader).await.expect("memory is read"),
                Came::End => return all,
            }
        }
    }

    #[tokio::test]
    async fn a_line_over_the_bound_is_cut_and_the_next_one_is_read() {
        let lines = read(b"one\n0123456789abcdef\ntwo\nthr", 8).await;
        let expected = [(Came::Line, "one"), (Came::TooLong, "01234567"), (Came::Line, "two"), (Came::End, "thr")];
        assert_eq!(lines, expected.map(|(came, text)| (came, text.to_owned())));
    }

    #[tokio::test]
    async fn a_line_of_exactly_the_bound_is_whole() {
        let expected = [(Came::TooLong, "12345678".to_owned()), (Came::End, String::new())];
        assert_eq!(read(b"123456789\n", 8).await, expected);
        assert_eq!(read(b"1234567\n", 8).await[0], (Came::Line, "1234567".to_owned()));
    }
}
