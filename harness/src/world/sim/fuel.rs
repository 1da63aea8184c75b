//! What ends a run that has no end of its own: every use of a port and every poll of the system's work takes one from the
//! run's fuel. An ordinary run takes some hundreds; a loop takes all there is, whatever it does, and then goes no further.
//!
//! Once nothing is left, what waits for a port waits for ever, what a port would answer at once is a panic that the run
//! itself takes ([`Fuel::lasts`]), and no work is polled any more. The run ends there, and none beside it. A loop that
//! neither uses a port nor yields is no matter of fuel: the watchdog sees to that one, to whom each poll is a sign of life.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use futures_util::FutureExt as _;

use crate::trace::{RanAway, Recorder};
use crate::watchdog::Seat;

/// So much fuel a run has. The longest one of a written scenario takes some ten thousand.
pub const USES_MAX: u32 = 200_000;

/// So many events may come at one instant of virtual time. A call comes to a dozen.
pub const AT_ONE_INSTANT_MAX: usize = 10_000;

/// So many uses are shown of a run that ran away: the last ones.
const SHOWN: u32 = 20;

/// After so many uses it is looked whether time goes on, and not at each.
const LOOKED_AFTER: u32 = 1_000;

static MOST_TAKEN: AtomicU32 = AtomicU32::new(0);

/// The most uses that a run of this process took that came to its end, planted bugs left out: how far the limit is from what
/// is ordinary.
pub fn most_taken() -> u32 {
    MOST_TAKEN.load(Ordering::Relaxed)
}

/// What takes fuel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// A request to a provider, by its operation's label.
    Send(&'static str),
    /// A read of the journal.
    Read,
    /// A write to the journal.
    Write,
    /// Another question to the store.
    AskStore,
    /// A line of the log.
    Log,
    /// A look at the clock.
    Clock,
    /// A draw of chance.
    Draw,
    /// Work that is begun in the background.
    Spawn(&'static str),
    /// A poll of such work, or of a call.
    Poll(&'static str),
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(operation) => write!(f, "{operation}"),
            Self::Read => f.write_str("journal read"),
            Self::Write => f.write_str("journal write"),
            Self::AskStore => f.write_str("question to the store"),
            Self::Log => f.write_str("log line"),
            Self::Clock => f.write_str("clock"),
            Self::Draw => f.write_str("random number"),
            Self::Spawn(work) => write!(f, "{work} begun"),
            Self::Poll(work) => write!(f, "{work} polled"),
        }
    }
}

/// The fuel of one run. All of a run goes on in one thread, so that taking from it is a load and a store.
pub struct Fuel {
    /// Uses until it is looked closer; 1 or 0: at the next one.
    granted: AtomicU32,
    tank: Mutex<Tank>,
    recorder: Recorder,
    seat: Seat,
    is_dry: AtomicBool,
    is_over: AtomicBool,
}

/// What is behind the uses that were granted.
struct Tank {
    /// What is left beyond them.
    left: u32,
    /// Taken before them.
    taken: u32,
    /// How many were granted last.
    grant: u32,
    /// Whether it ends early, because too much came at one instant.
    crowded: bool,
    last: VecDeque<Use>,
    /// Who plays the run.
    player: Option<Waker>,
}

/// What a port panics with that cannot wait. It is no bug's, and says nothing.
struct OutOfFuel;

impl Fuel {
    /// For a run that is recorded here, and watched there.
    pub fn new(recorder: Recorder, seat: Seat) -> Self {
        let tank = Tank {
            left: USES_MAX - LOOKED_AFTER,
            taken: 0,
            grant: LOOKED_AFTER,
            crowded: false,
            last: VecDeque::new(),
            player: None,
        };
        Self {
            granted: AtomicU32::new(LOOKED_AFTER),
            tank: Mutex::new(tank),
            recorder,
            seat,
            is_dry: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }

    /// Takes one. False: there is none left, and the caller must not go on.
    #[inline]
    pub fn take(&self, what: Use) -> bool {
        let granted = self.granted.load(Ordering::Relaxed);
        if granted > 1 {
            self.granted.store(granted - 1, Ordering::Relaxed);
            return true;
        }
        self.look_closer(what)
    }

    /// Takes one for a poll of the system's work.
    #[inline]
    pub fn polls(&self, work: &'static str) -> bool {
        self.seat.is_alive();
        self.take(Use::Poll(work))
    }

    /// Takes one, and goes no further where there is none.
    pub async fn goes_on(&self, what: Use) {
        if !self.take(what) {
            pending::<()>().await;
        }
    }

    /// Takes one for a port that answers at once. Where there is none that ends whatever asks, by a panic of its own; false
    /// where that is being torn down already, which must not be done twice.
    pub fn spend(&self, what: Use) -> bool {
        if self.take(what) {
            return true;
        }
        if !self.is_over.load(Ordering::Relaxed) && !thread::panicking() {
            resume_unwind(Box::new(OutOfFuel));
        }
        false
    }

    #[cold]
    fn look_closer(&self, what: Use) -> bool {
        if self.is_dry() || self.is_over.load(Ordering::Relaxed) {
            return false;
        }
        let mut tank = self.tank();
        if tank.left < SHOWN {
            tank.last.push_back(what);
        }
        tank.taken += tank.grant;
        if tank.left == 0 {
            tank.grant = 0;
            self.granted.store(0, Ordering::Relaxed);
            self.is_dry.store(true, Ordering::Relaxed);
            if let Some(player) = tank.player.take() {
                player.wake();
            }
            return false;
        }
        if !tank.crowded && self.recorder.lock().trace.has_at_one_instant(AT_ONE_INSTANT_MAX) {
            tank.crowded = true;
            tank.left = tank.left.min(SHOWN);
        }
        tank.grant = if tank.left > SHOWN { LOOKED_AFTER.min(tank.left - SHOWN) } else { 1 };
        tank.left -= tank.grant;
        self.granted.store(tank.grant, Ordering::Relaxed);
        true
    }

    fn tank(&self) -> MutexGuard<'_, Tank> {
        self.tank.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_dry(&self) -> bool {
        self.is_dry.load(Ordering::Relaxed)
    }

    /// How much was taken.
    pub fn taken(&self) -> u32 {
        let tank = self.tank();
        tank.taken + tank.grant.saturating_sub(self.granted.load(Ordering::Relaxed))
    }

    /// Enters the run into [`most_taken`]; for runs that end and have no planted bug.
    pub fn note_most_taken(&self) {
        MOST_TAKEN.fetch_max(self.taken(), Ordering::Relaxed);
    }

    /// What is to be said of the run, once it ran away.
    pub fn ran_away(&self) -> RanAway {
        let taken = self.taken();
        let tank = self.tank();
        RanAway {
            at: self.recorder.now(),
            uses: taken,
            at_one_instant: tank.crowded,
            last: tank.last.iter().map(ToString::to_string).collect(),
        }
    }

    /// The run is over: from now on nothing of the system goes on, and nothing panics for that.
    pub fn end(&self) {
        // What was taken stays known.
        let taken = self.taken();
        let mut tank = self.tank();
        (tank.taken, tank.grant) = (taken, 0);
        self.is_over.store(true, Ordering::Relaxed);
        self.granted.store(0, Ordering::Relaxed);
    }

    /// Plays a run for as long as the fuel lasts; `None` once it is out. The run is over when this returns.
    pub async fn lasts<T>(&self, run: impl Future<Output = T>) -> Option<T> {
        let mut run = pin!(AssertUnwindSafe(run).catch_unwind());
        let mut is_known = false;
        let ended = poll_fn(|context| {
            self.seat.is_alive();
            let ended = run.as_mut().poll(context);
            if self.is_dry() {
                return Poll::Ready(None);
            }
            if ended.is_pending() && !is_known {
                is_known = true;
                self.tank().player = Some(context.waker().clone());
            }
            ended.map(Some)
        });
        let ended = ended.await;
        self.end();
        ended.map(|ended| ended.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::panic::catch_unwind;

    use tokio::time::Duration;

    use super::*;
    use crate::trace::EventKind;

    fn fuel() -> Fuel {
        Fuel::new(Recorder::start(), Seat::unwatched())
    }

    #[test]
    fn it_lasts_for_so_many_uses_and_the_last_ones_are_told() {
        let fuel = fuel();
        let uses = (0..2 * USES_MAX).map(|number| if number % 2 == 0 { Use::Read } else { Use::Log });
        let taken = uses.take_while(|what| fuel.take(*what)).count();
        assert_eq!(taken, USES_MAX as usize - 1);
        assert!(!fuel.take(Use::Clock), "it is out for good");
        let told = fuel.ran_away();
        assert_eq!((told.uses, told.last.len(), told.at_one_instant), (USES_MAX, SHOWN as usize, false));
        assert_eq!(&told.last[18..], ["journal read", "log line"]);
    }

    #[test]
    fn what_was_taken_is_known_at_any_time_and_after_the_end() {
        let fuel = fuel();
        for _use in 0..2_345 {
            assert!(fuel.take(Use::Clock));
        }
        assert_eq!(fuel.taken(), 2_345);
        fuel.end();
        assert!(!fuel.take(Use::Clock));
        assert_eq!(fuel.taken(), 2_345);
        fuel.note_most_taken();
        assert!(most_taken() >= 2_345, "and the most that any run took");
    }

    #[test]
    fn a_flood_at_one_instant_is_out_of_fuel_sooner() {
        let recorder = Recorder::start();
        let fuel = Fuel::new(recorder.clone(), Seat::unwatched());
        let flood = |at: u64| {
            (0..).take_while(|_| fuel.take(Use::Log)).take(9_000).for_each(|_| {
                recorder.lock().push(Duration::from_millis(at), EventKind::Crashed);
            });
        };
        // Many, but time goes on.
        (1..=3).for_each(flood);
        assert!(!fuel.is_dry());
        (0..2).for_each(|_| flood(4));
        assert!(fuel.is_dry() && fuel.ran_away().at_one_instant);
        assert!(fuel.taken() < 40_000, "{}", fuel.taken());
    }

    /// Writes a line as it goes, as a log does of what was given up.
    struct Parting<'a>(&'a Fuel);

    impl Drop for Parting<'_> {
        fn drop(&mut self) {
            assert!(!self.0.spend(Use::Log));
        }
    }

    #[test]
    fn what_cannot_wait_panics_but_not_while_it_is_torn_down() {
        let fuel = fuel();
        while fuel.take(Use::Clock) {}
        let panic = catch_unwind(AssertUnwindSafe(|| fuel.spend(Use::Log))).expect_err("it cannot wait");
        assert!(panic.is::<OutOfFuel>());
        let torn_down = catch_unwind(AssertUnwindSafe(|| {
            let _parting = Parting(&fuel);
            fuel.spend(Use::Log)
        }));
        assert!(torn_down.is_err());
        fuel.end();
        assert!(!fuel.spend(Use::Log), "the run is over");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_waits_when_its_fuel_is_out_ends_at_once() {
        let fuel = fuel();
        let waits = async {
            tokio::join!(
                async {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    while fuel.take(Use::Poll("a task")) {}
                },
                pending::<()>(),
            );
        };
        let began = tokio::time::Instant::now();
        assert!(fuel.lasts(waits).await.is_none());
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        assert_eq!(fuel.ran_away().last[19], "a task polled");
    }

    #[tokio::test]
    async fn a_run_with_fuel_left_comes_to_what_it_comes_to_and_a_panic_of_its_own_is_no_lack_of_fuel() {
        assert_eq!(fuel().lasts(ready(7)).await, Some(7));
        let own = AssertUnwindSafe(fuel().lasts(async { resume_unwind(Box::new("a bug")) })).catch_unwind().await;
        let own: Result<Option<()>, _> = own;
        assert!(own.is_err_and(|panic| panic.downcast_ref::<&str>() == Some(&"a bug")));
    }
}
