//! `mutants`: how many changes of GiftGenius, made by rule, does misrule notice?
//!
//! A copy of GiftGenius is rewritten (`source.rs`, `operator.rs`, `rewrite.rs`) with all mutants behind guards (`switch.rs`),
//! misrule is built against it once (`workspace.rs`, `build.rs`, `blame.rs`), and one process a mutant runs the gate
//! (`gate.rs`, `tier.rs`, `limits.rs`). What came of it is kept by name (`key.rs`, `verdict.rs`, `equivalent.rs`) and reported
//! (`report.rs`, `wilson.rs`). Production code has no switch: the only one is in the copy.

mod blame;
mod build;
mod equivalent;
mod error;
mod gate;
mod key;
mod limits;
mod operator;
mod report;
mod rewrite;
mod sample;
mod source;
mod switch;
mod tier;
mod uncompiled;
mod verdict;
mod wilson;
mod workspace;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use build::Built;
use error::Error;
use gate::Gate;
use tier::Tier;
use verdict::{Results, Verdict};
use workspace::Places;

/// Mutates a copy of GiftGenius and counts how many of the mutants misrule notices
#[derive(Parser, Debug)]
#[command(
    name = "mutants",
    after_help = "Exit codes: 0 all is well, 1 the gate has become blinder, 2 unusable input, 4 could not run."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Lists the mutants: those that compile once there is a build, else all candidates
    List {
        /// Only this module, `core`, `elsewhere`, or mutants with this in their key
        #[arg(long)]
        only: Option<String>,
    },
    /// Rewrites GiftGenius and builds misrule against it, in `target/mutants`
    Build {
        /// Keeps what does not compile in `mutants/uncompiled.toml`, so that the next build need not find it out
        #[arg(long)]
        save: bool,
    },
    /// Judges mutants by the gate
    Run(Run),
    /// Prints the report on `mutants/results.toml`
    Report,
}

#[derive(Args, Debug)]
struct Run {
    /// Only so many mutants, drawn by the seed
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// The seed of the sample
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this module, `core`, `elsewhere`, or mutants with this in their key
    #[arg(long)]
    only: Option<String>,
    /// The parts of the gate, in order
    #[arg(long, value_delimiter = ',', default_values = ["sim", "errors", "journal", "faces", "generate", "explore", "frames", "wire"])]
    tiers: Vec<Tier>,
    /// Leaves out what `mutants/results.toml` has already
    #[arg(long, conflicts_with = "survivors")]
    unjudged: bool,
    /// Only what `mutants/results.toml` says was not noticed: for a part of the gate that was left out then
    #[arg(long)]
    survivors: bool,
    /// Enters the verdicts into `mutants/results.toml`
    #[arg(long)]
    save: bool,
    /// Fails if the whole interval of the sample lies below this share, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    floor: Option<u8>,
    /// Writes the report into this file too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// Mutants between two runs without one.
const CONFIRMED_EVERY: usize = 50;

/// The gate has become blinder than the committed list says, or than is asked.
const BLINDER: u8 = 1;

const COULD_NOT_RUN: u8 = 4;

fn main() -> ExitCode {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the tool is two folders below the checkout");
    let (out, err) = (&mut io::stdout(), &mut io::stderr());
    match command(&Cli::parse().command, &Places::of(root), out, err) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(err, "mutants: {error}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn command(command: &Command, places: &Places, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Error> {
    let kept = places.root.join("mutants");
    let equivalent = equivalent::load(&kept.join("equivalent.toml"))?;
    match command {
        Command::List { only } => {
            let mutants = match Built::load(places) {
                Ok(built) => built.mutants,
                Err(Error::NotBuilt(_)) => build::candidates(places)?,
                Err(error) => return Err(error),
            };
            for mutant in sample::narrowed(&mutants, only.as_deref()) {
                let _ = writeln!(out, "{:>5}  {}", mutant.id, mutant.key);
            }
        }
        Command::Build { save } => {
            let built = build::build(places, &kept.join("uncompiled.toml"), *save, err)?;
            let _ = writeln!(out, "{} mutants; {} more do not compile", built.mutants.len(), built.refused.len());
        }
        Command::Run(asked) => return run(asked, places, &kept.join("results.toml"), &equivalent, out, err),
        Command::Report => {
            let built = Built::load(places)?;
            let results = verdict::load(&kept.join("results.toml"))?;
            held(&equivalent::check(&equivalent, &built.mutants, &results))?;
            let _ = write!(out, "{}", report::markdown(&built.mutants, &equivalent, &results));
        }
    }
    Ok(0)
}

fn held(wrong: &[String]) -> Result<(), Error> {
    if wrong.is_empty() { Ok(()) } else { Err(Error::Equivalents(wrong.join("\n"))) }
}

fn run(
    asked: &Run,
    places: &Places,
    kept: &Path,
    equivalent: &[equivalent::Equivalent],
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Error> {
    let built = Built::load(places)?;
    let before = verdict::load(kept)?;
    held(&equivalent::check(equivalent, &built.mutants, &Results::new()))?;
    let drawn = sample::draw(&built.mutants, equivalent, asked.only.as_deref(), asked.sample, asked.seed);
    if let (true, Some(only)) = (drawn.is_empty(), &asked.only) {
        return Err(Error::NoneMatches(only.clone()));
    }
    let wanted = |mutant: &&rewrite::Mutant| match before.get(&mutant.key) {
        Some(verdict) => !(asked.unjudged || asked.survivors && verdict.is_killed()),
        None => !asked.survivors,
    };
    let drawn: Vec<_> = drawn.into_iter().filter(wanted).collect();
    let gate = Gate::open(places, &asked.tiers, err)?;
    let mut results = Results::new();
    let mut blinder = Vec::new();
    let mut not_judged = 0;
    for (index, mutant) in drawn.iter().enumerate() {
        if index > 0 && index % CONFIRMED_EVERY == 0 {
            gate.confirm(asked.tiers[0])?;
        }
        let place = format!("{}/{} {}", index + 1, drawn.len(), mutant.key);
        let verdict = match gate.judge(mutant.id, &asked.tiers)? {
            Ok(verdict) => verdict,
            Err(why) => {
                not_judged += 1;
                let _ = writeln!(err, "{place}: not judged, {why}");
                continue;
            }
        };
        let _ = writeln!(err, "{place}: {verdict}");
        if let Some(was @ Verdict::Killed { tier, .. }) = before.get(&mutant.key)
            && !verdict.is_killed()
            && asked.tiers.contains(tier)
        {
            blinder.push(format!("{}: {verdict}, and was {was}", mutant.key));
        }
        let verdict = verdict.after(before.get(&mutant.key).filter(|_| asked.survivors));
        results.insert(mutant.key.clone(), verdict);
        if asked.save {
            // Each at once: a run takes hours, and may be ended. Another one may have written meanwhile.
            let mut all = verdict::load(kept)?;
            all.extend(results.clone());
            all.retain(|key, _| built.mutants.iter().any(|mutant| mutant.key == *key));
            verdict::save(kept, &all)?;
        }
    }
    let report = report::markdown(&built.mutants, equivalent, &results);
    let _ = write!(out, "{report}");
    if let Some(path) = &asked.markdown {
        workspace::write(path, &report)?;
    }
    held(&equivalent::check(equivalent, &built.mutants, &results))?;
    let counts = report::total(&built.mutants, equivalent, &results);
    if let Some(floor) = asked.floor
        && wilson::interval(counts.killed, counts.judged).1 < f64::from(floor) / 100.0
    {
        blinder
            .push(format!("{} of {} were noticed, which is surely less than {floor} %", counts.killed, counts.judged));
    }
    if not_judged > 0 {
        let _ = writeln!(err, "{not_judged} could not be judged, and count neither way");
    }
    for line in &blinder {
        let _ = writeln!(err, "blinder than before: {line}");
    }
    Ok(if blinder.is_empty() { 0 } else { BLINDER })
}
