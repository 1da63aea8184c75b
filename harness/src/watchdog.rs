//! The watchdog: ends the process where a simulated run neither comes back nor uses anything that takes fuel, or where
//! memory runs out, and names the run.
//!
//! Such a run cannot be ended inside its thread, nor can the thread. So whoever makes runs says which ones ([`Batch`]), and
//! each poll of one of them is a sign of life ([`Seat`]). A thread of its own ([`watch`]) looks at that: one that takes
//! processor time without a sign is stuck. Processor time, and not time: on a busy machine a thread may wait for long.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::fault::plan::Plan;
use crate::malform::Label;
use crate::scenario::model::Scenario;
use crate::vitals;

/// What is watched, as it is named.
#[derive(Clone, Debug)]
pub enum Named {
    /// A run of a scenario.
    Run {
        /// The scenario.
        scenario: Arc<Scenario>,
        /// What goes wrong.
        plan: Plan,
        /// The seed.
        seed: u64,
    },
    /// A malformed call, and the calls that mend it.
    Malformed {
        /// The tool that is called.
        tool: String,
        /// The label of the malformed call.
        label: Label,
    },
}

impl Named {
    /// Its scenario, plan and seed, where it is a run of a scenario.
    pub fn run(&self) -> Option<(&Arc<Scenario>, &Plan, u64)> {
        match self {
            Self::Run { scenario, plan, seed } => Some((scenario, plan, *seed)),
            Self::Malformed { .. } => None,
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run { scenario, plan, seed } if plan.faults.is_empty() => {
                write!(f, "{} without faults, seed {seed}", scenario.name)
            }
            Self::Run { scenario, plan, seed } => write!(f, "{} under `{plan}`, seed {seed}", scenario.name),
            Self::Malformed { tool, label } => write!(f, "the malformed call {tool} {label}"),
        }
    }
}

/// What is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Processor time of a thread without a sign of life.
    pub silent_max: Duration,
    /// Memory that is added meanwhile, in bytes.
    pub added_max: u64,
    /// Memory of the whole process, in bytes.
    pub memory_max: u64,
}

/// Far beyond what any run takes: the longest one takes a tenth of a second, an exploration less than a gigabyte.
pub const BOUNDS: Bounds = Bounds { silent_max: Duration::from_secs(10), added_max: 1 << 30, memory_max: 4 << 30 };

/// How often it is looked.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// Why the process has to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// A run took so much processor time without a sign of life.
    Loops(Duration),
    /// A run added so much memory, in bytes, without a sign of life.
    Grows(u64),
    /// The process holds so much memory, in bytes.
    Full(u64),
}

/// What made the process end.
#[derive(Clone, Debug)]
pub struct Stuck {
    /// Why.
    pub why: Why,
    /// The run; all that were under way where it cannot be told which one it is.
    pub runs: Vec<Named>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        let runs: Vec<String> = self.runs.iter().map(ToString::to_string).collect();
        let runs = if runs.is_empty() { "no run was under way".to_owned() } else { runs.join("; ") };
        match self.why {
            Why::Loops(span) => write!(
                f,
                "a simulated run took {} s of processor time without coming back or using anything: {runs}; look for a \
                 loop that never waits",
                span.as_secs()
            ),
            Why::Grows(bytes) => write!(
                f,
                "a simulated run took {} MiB of memory without coming back: {runs}; look for something that grows in a \
                 loop",
                mib(bytes)
            ),
            Why::Full(bytes) => write!(
                f,
                "misrule held {} MiB of memory, which is more than its runs ever need; under way were: {runs}",
                mib(bytes)
            ),
        }
    }
}

/// No run is under way.
const NOWHERE: usize = usize::MAX;

/// A thread that makes runs.
struct Place {
    thread: vitals::Thread,
    /// Signs of life so far. Only the thread itself counts.
    beats: AtomicU64,
    /// The run that goes on, by its place in the batch.
    at: AtomicUsize,
    batch: Mutex<Vec<Named>>,
    /// The watchdog's own.
    seen: Mutex<Option<Seen>>,
}

/// How a thread was when its last sign of life was first seen.
#[derive(Clone, Copy)]
struct Seen {
    beats: u64,
    processor_time: Option<Duration>,
    memory: Option<u64>,
}

static PLACES: Mutex<Vec<Weak<Place>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static PLACE: Arc<Place> = Place::of_this_thread();
}

impl Place {
    fn of_this_thread() -> Arc<Self> {
        let place = Arc::new(Self {
            thread: vitals::Thread::current(),
            beats: AtomicU64::new(0),
            at: AtomicUsize::new(NOWHERE),
            batch: Mutex::default(),
            seen: Mutex::default(),
        });
        let mut places = lock(&PLACES);
        places.retain(|place| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        place
    }

    fn run(&self) -> Option<Named> {
        lock(&self.batch).get(self.at.load(Ordering::Relaxed)).cloned()
    }

    /// What is wrong with this thread, if anything is.
    fn look(&self, bounds: Bounds, memory: Option<u64>) -> Option<Stuck> {
        let mut seen = lock(&self.seen);
        if self.at.load(Ordering::Relaxed) == NOWHERE {
            *seen = None;
            return None;
        }
        let (beats, processor_time) = (self.beats.load(Ordering::Relaxed), self.thread.processor_time());
        let Some(then) = seen.filter(|then| then.beats == beats) else {
            *seen = Some(Seen { beats, processor_time, memory });
            return None;
        };
        drop(seen);
        let took = processor_time.zip(then.processor_time).map(|(now, then)| now.saturating_sub(then));
        let added = memory.zip(then.memory).map(|(now, then)| now.saturating_sub(then));
        let why = match (took, added) {
            (Some(took), _) if took >= bounds.silent_max => Why::Loops(took),
            (_, Some(added)) if added >= bounds.added_max => Why::Grows(added),
            _ => return None,
        };
        Some(Stuck { why, runs: self.run().into_iter().collect() })
    }
}

/// The runs that a thread makes side by side, for as long as this lives.
pub struct Batch(Arc<Place>);

impl Batch {
    /// They begin, in this thread.
    pub fn begin(runs: impl Iterator<Item = Named>) -> Self {
        let place = PLACE.with(Arc::clone);
        {
            let mut batch = lock(&place.batch);
            batch.clear();
            batch.extend(runs);
        }
        let begun = Self(place);
        begun.seat(0).is_alive();
        begun
    }

    /// The place of one of them, counted from 0.
    pub fn seat(&self, number: usize) -> Seat {
        Seat { place: self.0.clone(), number }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.0.at.store(NOWHERE, Ordering::Relaxed);
    }
}

/// Where a run says that it goes on.
pub struct Seat {
    place: Arc<Place>,
    number: usize,
}

impl Seat {
    /// For a run that nobody watches.
    #[cfg(test)]
    pub(crate) fn unwatched() -> Self {
        Batch::begin(std::iter::empty()).seat(NOWHERE)
    }

    /// For a world that outlives the batches that its thread has one after the other, each of a single run.
    pub fn of_each_batch() -> Self {
        Self { place: PLACE.with(Arc::clone), number: 0 }
    }

    /// It goes on now, and none beside it does: two plain writes, since the watchdog only reads.
    pub fn is_alive(&self) {
        self.place.at.store(self.number, Ordering::Relaxed);
        self.place.beats.store(self.place.beats.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

/// Watches until it is dropped.
pub struct Watch(Arc<AtomicBool>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// From now on, whoever is stuck is told to `end`, once; `end` is expected to end the process. Without a thread nothing is
/// watched.
#[must_use]
pub fn watch(bounds: Bounds, end: impl FnOnce(Stuck) + Send + 'static) -> Watch {
    let is_over = Arc::new(AtomicBool::new(false));
    let told = is_over.clone();
    let watching = move || {
        let stuck = loop {
            thread::sleep(LOOKS_EVERY);
            if told.load(Ordering::Relaxed) {
                return;
            }
            if let Some(stuck) = look(bounds) {
                break stuck;
            }
        };
        end(stuck);
    };
    let _ = thread::Builder::new().name("watchdog".to_owned()).spawn(watching);
    Watch(is_over)
}

/// What is wrong with this process, if anything is.
fn look(bounds: Bounds) -> Option<Stuck> {
    let memory = vitals::own_memory();
    let places: Vec<_> = lock(&PLACES).iter().filter_map(Weak::upgrade).collect();
    if let Some(stuck) = places.iter().find_map(|place| place.look(bounds, memory)) {
        return Some(stuck);
    }
    let full = memory.filter(|memory| *memory > bounds.memory_max)?;
    Some(Stuck { why: Why::Full(full), runs: places.iter().filter_map(|place| place.run()).collect() })
}

#[cfg(test)]
mod tests {
    use std::hint;
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;
    use crate::scenario::{Known, parse};

    const GENTLE: Bounds = Bounds { silent_max: Duration::from_millis(300), added_max: u64::MAX, memory_max: u64::MAX };

    fn named(seed: u64) -> Named {
        let text = "title = \"T\"\nlesson = \"L.\"\n[[script]]\ncall = \"get_order\"\n";
        let scenario = parse(text, "a/b", "a/b.toml".as_ref(), &Known::default()).map_err(|error| error.render(false));
        let plan = "payment.charge#1: lost_reply".parse().expect("a plan");
        Named::Run { scenario: Arc::new(scenario.expect("a scenario")), plan, seed }
    }

    fn is_the_second(run: &Named) -> bool {
        run.run().is_some_and(|(scenario, _, seed)| scenario.name == "a/b" && seed == 2)
    }

    /// What is told of a thread that does `act` in the second of three runs, while `looks` looks at it.
    fn told<T>(act: impl FnOnce(&Seat, &AtomicBool) + Send, looks: impl FnOnce(&Place) -> T) -> T {
        let is_over = AtomicBool::new(false);
        let (tell, begun) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let batch = Batch::begin((1..=3).map(named));
                let seat = batch.seat(1);
                seat.is_alive();
                tell.send(PLACE.with(Arc::clone)).expect("somebody looks");
                act(&seat, &is_over);
            });
            let told = looks(&begun.recv().expect("it has begun"));
            is_over.store(true, Ordering::Relaxed);
            told
        })
    }

    fn spins(seat: &Seat, is_over: &AtomicBool, beats: bool) {
        while !is_over.load(Ordering::Relaxed) {
            hint::spin_loop();
            if beats {
                seat.is_alive();
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_run_that_takes_processor_time_without_a_sign_of_life_is_named() {
        let stuck = told(
            |seat, is_over| spins(seat, is_over, false),
            |place| {
                loop {
                    if let Some(stuck) = place.look(GENTLE, None) {
                        return stuck;
                    }
                    thread::yield_now();
                }
            },
        );
        assert!(matches!(stuck.why, Why::Loops(span) if span >= GENTLE.silent_max));
        let said = stuck.to_string();
        assert!(said.contains("a/b under `payment.charge#1: lost_reply`, seed 2"), "{said}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn one_that_gives_signs_is_left_alone_and_so_is_one_that_only_waits() {
        let looks = |place: &Place| {
            let took = || place.thread.processor_time().expect("Linux tells it");
            let began = took();
            while took() < began + 2 * GENTLE.silent_max {
                assert!(place.look(GENTLE, None).is_none());
            }
        };
        told(|seat, is_over| spins(seat, is_over, true), looks);
        let (tell, told_to) = mpsc::channel::<()>();
        told(
            // Nothing ever comes but the end.
            move |_, _| _ = told_to.recv(),
            |place| {
                let began = Instant::now();
                while began.elapsed() < 2 * GENTLE.silent_max {
                    assert!(place.look(GENTLE, None).is_none());
                }
                drop(tell);
            },
        );
    }

    #[test]
    fn one_that_adds_memory_is_named_and_a_thread_without_a_run_is_not() {
        let bounds = Bounds { silent_max: Duration::MAX, added_max: 100, ..GENTLE };
        let stuck = told(
            |_, is_over| {
                while !is_over.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
            },
            |place| {
                assert!(place.look(bounds, Some(1_000)).is_none());
                assert!(place.look(bounds, Some(1_099)).is_none());
                place.look(bounds, Some(1_100))
            },
        );
        let stuck = stuck.expect("it grows");
        assert_eq!((stuck.why, stuck.runs.len()), (Why::Grows(100), 1));
        assert!(is_the_second(&stuck.runs[0]));
        let place = PLACE.with(Arc::clone);
        assert!(place.look(bounds, Some(0)).is_none() && place.look(bounds, Some(5_000)).is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_is_full_is_told_with_all_that_is_under_way() {
        let bounds = Bounds { memory_max: 1, silent_max: Duration::MAX, added_max: u64::MAX };
        let own = told(
            |_, is_over| {
                while !is_over.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
            },
            |_| look(bounds),
        );
        let Some(stuck) = own else { panic!("Linux tells what a process holds") };
        assert!(matches!(stuck.why, Why::Full(_)));
        assert!(stuck.runs.iter().any(is_the_second));
    }
}
