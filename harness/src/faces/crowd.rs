//! Many at once: strangers lock out nobody, are answered late where they are many, and fill no log.

use std::thread;
use std::time::{Duration, Instant};

use giftgenius::policy::Policy;
use serde_json::json;

use super::client::{Held, Request, ask};
use super::served::Served;
use super::{Faces, TOKEN};

/// Long enough for a connection that was closed to be seen so; what is not closed is waited for this long.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);
const OPEN_FOR: Duration = Duration::from_millis(20);

/// The minute in which refusals are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Strangers beyond those that are refused at once.
const FURTHER: usize = 5;

/// What was judged: a machine that is too busy for what the server measures in its own time shows nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) places: bool,
    pub(super) refusals: bool,
}

pub(super) fn hold(served: &Served, told: &mut Faces) -> Judged {
    let places = places(served, told);
    Judged { places, refusals: refusals(served, told) }
}

/// Strangers have places of their own; one more than there are takes that of the oldest, and a known client keeps its own.
fn places(served: &Served, told: &mut Faces) -> bool {
    let began = Instant::now();
    let address = served.address();
    let listing = Request::rpc("tools/list", &json!({})).of(TOKEN);
    let Some(mut known) = Held::open(address) else {
        told.broken.push("no connection was taken".to_owned());
        return false;
    };
    let first = known.ask(&listing).map(|reply| reply.status);
    told.hold(first == Ok(200), || format!("a known client was answered {first:?}"));
    // Each is known to be taken when it is answered: connections that only wait in the queue are in nobody's place.
    let nothing = Request::new("GET", "/");
    let stranger = || {
        let mut held = Held::open(address)?;
        held.ask(&nothing).ok().map(|_| held)
    };
    let places = usize::try_from(Policy::default().http.strangers_max).unwrap_or(0);
    let mut strangers: Vec<Held> = (0..=places).map_while(|_| stranger()).collect();
    told.hold(strangers.len() == places + 1, || format!("stranger {} was not served", strangers.len() + 1));
    // Who says nothing for long is closed in any case.
    if began.elapsed() > Policy::default().http.headers_timeout / 2 {
        return false;
    }
    let Some((oldest, others)) = strangers.split_first_mut() else { return false };
    told.hold(oldest.is_closed(CLOSED_WITHIN), || "the oldest stranger kept its place from the newest".to_owned());
    told.hold(others.first_mut().is_none_or(|next| !next.is_closed(OPEN_FOR)), || {
        "a second stranger lost its place".to_owned()
    });
    told.hold(others.last_mut().is_none_or(|last| !last.is_closed(OPEN_FOR)), || {
        "the newest stranger has no place".to_owned()
    });
    let again = known.ask(&listing).map(|reply| reply.status);
    told.hold(again == Ok(200), || format!("strangers took a known client's place: {again:?}"));
    true
}

/// The first refusals are answered at once; further ones late, all at the same time, and known clients as ever.
fn refusals(served: &Served, told: &mut Faces) -> bool {
    let since = Instant::now();
    let http = Policy::default().http;
    let address = served.address();
    let wrong = Request::rpc("tools/list", &json!({})).of("t0ken-of-eve-0000");
    // Those that were refused before count too.
    for _ in 0..http.refusals_at_once {
        let _ = ask(address, &wrong);
    }
    let late: Vec<_> = (0..FURTHER)
        .map(|_| {
            let wrong = wrong.clone();
            thread::spawn(move || {
                let began = Instant::now();
                (ask(address, &wrong).map(|reply| reply.status), began.elapsed())
            })
        })
        .collect();
    let late: Vec<_> = late.into_iter().filter_map(|one| one.join().ok()).collect();
    // So long a refusal counts; the process may have begun to count before.
    let is_quick = served.age() < WINDOW && since.elapsed() < WINDOW;
    for (status, took) in late {
        told.hold(status == Ok(401), || format!("one of many strangers was answered {status:?}"));
        told.hold(!is_quick || took >= http.refusal_delay, || {
            format!("one of many strangers was answered after {took:?}")
        });
    }
    let began = Instant::now();
    let known = ask(address, &Request::rpc("tools/list", &json!({})).of(TOKEN)).map(|reply| reply.status);
    told.hold(known == Ok(200), || format!("beside many strangers a known client was answered {known:?}"));
    let took = began.elapsed();
    told.hold(took < CLOSED_WITHIN, || format!("beside many strangers a known client waited {took:?}"));
    is_quick
}
