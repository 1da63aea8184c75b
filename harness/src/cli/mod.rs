//! The command line: one file a command, each thin over the library.
//!
//! Exit codes: 0 all is well, 1 a rule was broken, 2 unusable input (nothing was run), 3 inconclusive, 4 the system or
//! the harness itself could not run. A rule that was broken outranks everything else.

mod beyond;
mod errors;
mod explain;
mod explore;
mod faces;
mod gate;
mod held;
mod interrupt;
mod journal;
mod list;
mod load;
mod malform;
mod merge;
mod progress;
mod prove;
mod providers;
mod replay;
mod run;
mod schema;
mod stuck;
#[cfg(test)]
mod tests;
mod words;
mod written;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use terminal_size::terminal_size_of;

use crate::fault::plan::Plan;
use crate::outcome::Outcome;
use crate::report::document::Word;
use crate::report::terminal::{width, with_exit, wrap};
use crate::scenario::find::ROOT;
use crate::scenario::model::{Scenario, StoreKind, WorldKind};
use crate::screen;
use crate::visible::{visible, visible_but_colours, visible_json, visible_lines};

/// Nothing was run, because of what was asked for.
const UNUSABLE: u8 = 2;
/// The system or the harness could not run.
const COULD_NOT_RUN: u8 = 4;

/// A chaos harness for MCP tool servers: all around them fails, and the providers' books are judged.
#[derive(Parser, Debug)]
#[command(
    name = "misrule",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 all is well, 1 a rule was broken, 2 unusable input, 3 inconclusive, 4 could not run,\n130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Arguments,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs scenarios and judges them: the gate, and what happens without a command.
    Run(run::Arguments),
    /// Repeats one run and prints all of it.
    Replay(replay::Arguments),
    /// Tries every plan of up to so many faults, and random ones beyond.
    Explore(explore::Arguments),
    /// Joins the reports of the shards of an exploration.
    Merge(merge::Arguments),
    /// Tries the gate against planted bugs: each must be caught, GiftGenius accused of nothing.
    Prove(prove::Arguments),
    /// Makes every malformed call of every tool, and mends it from the error alone.
    Errors(errors::Arguments),
    /// Holds the journal's file to its promises, whatever a crash or a hand leaves of it.
    Journal(journal::Arguments),
    /// Holds GiftGenius's own command line to its promises: HTTP, log, settings, end.
    Faces(faces::Arguments),
    /// Lists the malformed calls of a tool, each with the answer that it is owed.
    Malform(malform::Arguments),
    /// Starts the mock providers on loopback, for a server that you start yourself.
    Providers(providers::Arguments),
    /// Lists scenarios; or faults, oracles, operations, planted bugs.
    List(list::Arguments),
    /// Explains an oracle, fault, operation, error code, requirement, planted bug or term.
    Explain(explain::Arguments),
    /// Prints the JSON Schema of a file format.
    Schema(schema::Arguments),
}

impl Command {
    /// Whether Ctrl-C has nothing to do but to end it. The others have more to say, or to do, of what was done until then.
    const fn is_only_ended(&self) -> bool {
        match self {
            Self::Replay(_)
            | Self::Merge(_)
            | Self::Errors(_)
            | Self::Faces(_)
            | Self::Journal(_)
            | Self::Malform(_)
            | Self::List(_)
            | Self::Explain(_)
            | Self::Schema(_) => true,
            Self::Run(_) | Self::Explore(_) | Self::Prove(_) | Self::Providers(_) => false,
        }
    }
}

/// Where scenarios are and how output looks.
#[derive(Args, Clone, Debug)]
struct Common {
    /// The folder with the scenarios.
    #[arg(long, value_name = "DIR", default_value = ROOT)]
    scenarios: PathBuf,
    /// Another shop: a folder with `catalog.json` and `promo_codes.json`.
    #[arg(long, value_name = "DIR")]
    fixtures: Option<PathBuf>,
    /// No colours, also on a terminal.
    #[arg(long)]
    no_color: bool,
}

/// A world, as it is written.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum World {
    /// In memory, in virtual time.
    Sim,
    /// On real sockets, in real time.
    Wire,
}

impl World {
    const fn kind(self) -> WorldKind {
        match self {
            Self::Sim => WorldKind::Sim,
            Self::Wire => WorldKind::Wire,
        }
    }
}

/// The system's store in simulation, as it is written.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Store {
    /// Records in memory.
    Memory,
    /// The rows of the SQLite journal.
    Sqlite,
}

impl Store {
    const fn kind(self) -> StoreKind {
        match self {
            Self::Memory => StoreKind::Memory,
            Self::Sqlite => StoreKind::Sqlite,
        }
    }
}

/// Makes one run; the error is a sentence.
type Runner<'a> = &'a (dyn Fn(&Arc<Scenario>, WorldKind, &Plan, u64) -> Result<Outcome, String> + Sync);

/// Why a command did nothing, or could not end as it should.
#[derive(Debug)]
struct Refusal {
    /// For a person, whole lines.
    text: String,
    /// The exit code.
    code: u8,
}

impl Refusal {
    /// Unusable input: says why, and that nothing was run.
    fn unusable(why: &str) -> Self {
        Self::saying(why, "nothing was run", UNUSABLE)
    }

    /// The system or the harness could not run.
    fn could_not_run(why: &str) -> Self {
        Self::saying(why, "this says nothing of the system's behaviour", COULD_NOT_RUN)
    }

    /// An error and a last line. Why quotes what came from outside.
    fn saying(why: &str, last: &str, code: u8) -> Self {
        let why = visible_lines(why.trim_end());
        Self::laid_out(&wrap(&format!("error: {why}"), width()), last, code)
    }

    /// Unusable input whose mistakes are drawn, with nothing from outside in the drawing that acts.
    fn drawn(mistakes: &str, last: &str) -> Self {
        Self::laid_out(&format!("{}\n", mistakes.trim_end()), last, UNUSABLE)
    }

    fn laid_out(why: &str, last: &str, code: u8) -> Self {
        Self { text: format!("{why}{}\n", with_exit(last, code, width())), code }
    }
}

/// A command's own exit code, or why it has none.
type Ended = Result<u8, Refusal>;

/// What Ctrl-C does in the middle of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OnInterrupt {
    /// Says how far the run had come, and ends.
    Say,
    /// What the operating system does.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test has no signals of its own"))]
    Die,
}

/// Where output goes.
struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Whether stdout may be coloured.
    colour: bool,
    /// Whether stderr may be coloured.
    colour_err: bool,
    /// Whether progress is shown on stderr.
    progress: bool,
    /// How misrule is called here, for lines that are to be typed again.
    called: &'static str,
    /// What Ctrl-C does.
    on_interrupt: OnInterrupt,
    /// Why something that was printed did not arrive.
    lost: Option<io::Error>,
}

impl Console<'_> {
    /// Prints text in which nothing acts on a terminal, whatever was quoted in it.
    fn say(&mut self, text: &str) {
        self.print(&visible_lines(text));
    }

    /// Prints text that may be coloured.
    fn say_coloured(&mut self, text: &str) {
        if self.colour { self.print(&visible_but_colours(text)) } else { self.say(text) }
    }

    /// Prints a JSON document.
    fn say_json(&mut self, text: &str) {
        self.print(&visible_json(text));
    }

    /// A reader that has gone away (`| head`) is no failure of ours; a full disk is one.
    fn print(&mut self, text: &str) {
        let said = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        if let Err(error) = said
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.lost.get_or_insert(error);
        }
    }

    fn warn(&mut self, text: &str) {
        let text = if self.colour_err { visible_but_colours(text) } else { visible_lines(text) };
        let _ = self.err.write_all(text.as_bytes());
    }
}

/// The command `misrule`.
pub fn main() -> ExitCode {
    // Not locked: progress and Ctrl-C are told from other threads.
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let terminal = io::stderr().is_terminal();
    if let Some((columns, _)) = io::stdout().is_terminal().then(|| terminal_size_of(io::stdout())).flatten() {
        screen::is_terminal(columns.0.into());
    }
    let program = program();
    let folder = std::env::current_dir().unwrap_or_default();
    let mut console = Console {
        called: called(&program, &folder),
        colour: wanted && io::stdout().is_terminal(),
        colour_err: wanted && terminal,
        progress: terminal,
        on_interrupt: OnInterrupt::Say,
        lost: None,
        out: &mut out,
        err: &mut err,
    };
    let run = |scenario: &Arc<Scenario>, world, plan: &Plan, seed| {
        crate::run::run(scenario, world, plan, seed, &program).map_err(|error| error.to_string())
    };
    ExitCode::from(command(std::env::args_os(), &run, &mut console))
}

/// On the wire the system's process is this very executable.
fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("misrule"))
}

/// How misrule is called: through cargo if it was built here and is run in the checkout, else by its name.
fn called(program: &Path, folder: &Path) -> &'static str {
    let mut above = program.ancestors().skip(1);
    let (profile, target, checkout) = (above.next(), above.next(), above.next());
    let named = |path: Option<&Path>, name: &str| path.is_some_and(|path| path.ends_with(name));
    if !named(target, "target") || !checkout.is_some_and(|checkout| folder.starts_with(checkout)) {
        "misrule"
    } else if named(profile, "release") {
        "cargo run --release --"
    } else if named(profile, "debug") {
        "cargo run --"
    } else {
        "misrule"
    }
}

/// One whole invocation; gives the exit code. What could not be printed outranks all but a rule that was broken.
fn command(words: impl IntoIterator<Item = OsString>, runner: Runner<'_>, console: &mut Console<'_>) -> u8 {
    let code = carry_out(words, runner, console);
    let Some(error) = console.lost.take() else {
        return code;
    };
    let code = if code == Word::Broken.exit_code() { code } else { COULD_NOT_RUN };
    let why = format!("the output could not be written: {error}; free some space, or send it elsewhere");
    console.warn(&Refusal::saying(&why, "what was printed is incomplete", code).text);
    code
}

fn carry_out(words: impl IntoIterator<Item = OsString>, runner: Runner<'_>, console: &mut Console<'_>) -> u8 {
    let words: Vec<_> = words.into_iter().collect();
    // clap repeats a word that it does not know.
    let plain = words.iter().all(|word| matches!(visible(&word.to_string_lossy()), Cow::Borrowed(_)));
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own words: usage, help, version.
            let code = error.exit_code();
            let text = error.render();
            let text = if console.colour && plain { text.ansi().to_string() } else { text.to_string() };
            if error.use_stderr() {
                let last = with_exit("nothing was run", UNUSABLE, width());
                console.warn(&format!("{text}{last}\n"));
            } else {
                console.say_coloured(&text);
            }
            return u8::try_from(code).unwrap_or(UNUSABLE);
        }
    };
    let command = cli.command.unwrap_or(Command::Run(cli.run));
    if console.on_interrupt == OnInterrupt::Say && command.is_only_ended() {
        interrupt::watch(|| interrupt::INTERRUPTED.to_owned());
    }
    let ended = match command {
        Command::Run(arguments) => run::run(&arguments, runner, console),
        Command::Replay(arguments) => replay::run(&arguments, runner, console),
        Command::Explore(arguments) => explore::run(&arguments, runner, console),
        Command::Merge(arguments) => merge::run(&arguments, console),
        Command::Prove(arguments) => prove::run(&arguments, console),
        Command::Errors(arguments) => errors::run(&arguments, console),
        Command::Faces(arguments) => faces::run(&arguments, console),
        Command::Journal(arguments) => journal::run(&arguments, console),
        Command::Malform(arguments) => malform::run(&arguments, console),
        Command::Providers(arguments) => providers::run(&arguments, console),
        Command::List(arguments) => list::run(&arguments, console),
        Command::Explain(arguments) => explain::run(&arguments, console),
        Command::Schema(arguments) => Ok(schema::run(&arguments, console)),
    };
    ended.unwrap_or_else(|refusal| {
        console.warn(&refusal.text);
        refusal.code
    })
}
