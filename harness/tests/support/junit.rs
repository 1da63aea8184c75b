//! Reports for CI held to the schema that they are most held to, `junit-10.xsd` of Jenkins' xunit plugin, as a table. In
//! that schema the children of a suite and of a case come in any order.

use std::collections::BTreeMap;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// An element: its attributes that are required, those that are allowed too, its children, and whether it holds text.
type Element = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str], bool);

const ELEMENTS: [Element; 7] = [
    ("testsuites", &[], &["name", "time", "tests", "failures", "errors"], &["testsuite"], false),
    (
        "testsuite",
        &["name", "tests", "failures", "errors"],
        &["group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"],
        &["testcase", "system-out", "system-err"],
        false,
    ),
    (
        "testcase",
        &["name"],
        &["time", "classname", "group", FILE],
        &["error", "failure", "system-out", "system-err"],
        false,
    ),
    ("error", &[], &["type", "message"], &[], true),
    ("failure", &[], &["type", "message"], &[], true),
    ("system-out", &[], &[], &[], true),
    ("system-err", &[], &[], &[], true),
];

/// The one attribute of a case that the schema lacks. CI systems read it to link a case to its file.
const FILE: &str = "file";

/// What is open: an element, and how many cases, errors and failures it said and had.
struct Open {
    element: &'static Element,
    said: BTreeMap<String, String>,
    had: BTreeMap<&'static str, u64>,
}

/// Everything that is wrong with a document.
pub(crate) fn wrong(document: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    loop {
        match reader.read_event() {
            Err(error) => {
                wrong.push(format!("no XML: {error}"));
                return wrong;
            }
            Ok(Event::Eof) => break,
            Ok(Event::Decl(_)) if open.is_empty() => {}
            Ok(Event::Start(tag)) => begin(&tag, &mut open, &mut wrong),
            Ok(Event::End(_)) => end(&mut open, &mut wrong),
            Ok(Event::Text(text)) => {
                let blank = text.iter().all(u8::is_ascii_whitespace);
                if !blank && !open.last().is_some_and(|open| open.element.4) {
                    wrong.push(format!("text outside of a message: {text:?}"));
                }
            }
            Ok(Event::GeneralRef(_) | Event::CData(_)) if open.last().is_some_and(|open| open.element.4) => {}
            Ok(other) => wrong.push(format!("unexpected: {other:?}")),
        }
    }
    if !open.is_empty() {
        wrong.push("it does not end".to_owned());
    }
    let control = |letter: char| letter.is_control() && !['\n', '\t', '\r'].contains(&letter);
    if document.contains(|letter| control(letter) || ['\u{fffe}', '\u{ffff}'].contains(&letter)) {
        wrong.push("a character that XML does not have".to_owned());
    }
    wrong
}

fn begin(tag: &BytesStart<'_>, open: &mut Vec<Open>, wrong: &mut Vec<String>) {
    let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
    let Some(element) = ELEMENTS.iter().find(|element| element.0 == name) else {
        wrong.push(format!("no element of the schema: {name}"));
        return;
    };
    let allowed = match open.last() {
        None => element.0 == "testsuites",
        Some(parent) => parent.element.3.contains(&element.0),
    };
    if !allowed {
        wrong.push(format!("{name} does not belong there"));
    }
    for above in open.iter_mut() {
        *above.had.entry(element.0).or_default() += 1;
    }
    let mut said = BTreeMap::new();
    for attribute in tag.attributes() {
        match attribute {
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(attribute) => {
                let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
                if !element.1.contains(&&*key) && !element.2.contains(&&*key) {
                    wrong.push(format!("{name} has no attribute {key}"));
                }
                match attribute.normalized_value(XmlVersion::Explicit1_0) {
                    Err(error) => wrong.push(format!("{name} {key}: {error}")),
                    Ok(value) => drop(said.insert(key, value.into_owned())),
                }
            }
        }
    }
    for required in element.1.iter().filter(|required| !said.contains_key(**required)) {
        wrong.push(format!("{name} lacks {required}"));
    }
    if let Some(time) = said.get("time").filter(|time| !is_time(time)) {
        wrong.push(format!("{name}: no time: {time}"));
    }
    open.push(Open { element, said, had: BTreeMap::new() });
}

/// What a suite says it holds is what it holds.
fn end(open: &mut Vec<Open>, wrong: &mut Vec<String>) {
    let Some(Open { element, said, had }) = open.pop() else { return };
    if !element.0.starts_with("testsuite") {
        return;
    }
    for (count, of) in [("tests", "testcase"), ("failures", "failure"), ("errors", "error")] {
        let had = had.get(of).copied().unwrap_or(0);
        if said.get(count).is_none_or(|said| *said != had.to_string()) {
            wrong.push(format!("{} {:?} has {had} {of}, and says {:?}", element.0, said.get("name"), said.get(count)));
        }
    }
}

/// `SUREFIRE_TIME` without groups of thousands: seconds, and a fraction.
fn is_time(time: &str) -> bool {
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    [seconds, fraction].iter().all(|part| part.chars().all(|letter| letter.is_ascii_digit()))
}
