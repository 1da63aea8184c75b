//! Whether GiftGenius's faces hold what they promise: its own command line, as a person starts it, asked over HTTP and read on stderr.
//!
//! What calls do and how frames are refused is held elsewhere (`run`, `fixable`): here it is who is let in, what a stranger is told, what
//! is published of the tools, what the log says of it, how the process ends, and which settings it refuses to start with. [`served`] is
//! the process, [`client`] speaks to it byte by byte, [`front`], [`published`], [`crowd`] and [`settings`] are what is held, [`lines`]
//! what is owed on stderr.

mod client;
mod crowd;
mod front;
mod lines;
mod published;
mod served;
mod settings;

use std::path::Path;

use served::Served;

/// What came of it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Faces {
    /// What was asked for.
    pub asked: usize,
    /// What was not as it is owed, a sentence each.
    pub broken: Vec<String>,
}

impl Faces {
    fn hold(&mut self, is_held: bool, sentence: impl FnOnce() -> String) {
        self.asked += 1;
        if !is_held {
            self.broken.push(sentence());
        }
    }
}

/// Holds the command line of `program`, misrule's own executable, to all that is owed. An error is of this machine.
pub fn check(program: &Path) -> Result<Faces, String> {
    let mut told = Faces::default();
    let mut served = Served::start(program, &[])?;
    front::hold(&served, &mut told);
    published::hold(&served, &mut told);
    let judged = crowd::hold(&served, &mut told);
    ends(&mut served, &mut told)?;
    lines::hold(&served, judged, &mut told);
    for (proxies, is_one) in [("10.1.2.3,127.0.0.0/8", true), ("126.0.0.0/8,127.128.0.0/9,::1", false)] {
        let behind = Served::start(program, &[("GIFTGENIUS_TRUSTED_PROXIES", proxies)])?;
        front::of_proxies(&behind, proxies, is_one, &mut told);
    }
    settings::hold(program, &mut told)?;
    Ok(told)
}

/// A process that is asked to end does so at once where no call is in flight, whoever holds a connection.
fn ends(served: &mut Served, told: &mut Faces) -> Result<(), String> {
    let idle = client::Held::open(served.address());
    let ended = served.stop()?;
    drop(idle);
    told.hold(ended.code == Some(0), || format!("asked to end it ended with {ended:?}"));
    told.hold(ended.after < served::ENDS_AT_ONCE, || {
        format!("with no call in flight it took {:?} to end", ended.after)
    });
    Ok(())
}

/// Tokens and secrets of the process under test.
const TOKEN: &str = "t0ken-of-ann-0000";
const OTHER_TOKEN: &str = "t0ken-of-bob-0000";
/// As short as one may be.
const SECRET: &str = "whsec_0123456789";
const ORIGIN: &str = "https://shop.example";
