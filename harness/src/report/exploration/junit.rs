//! `exploration.xml`, for CI: a suite a space; a case that stands for all that was tried, and one for each finding.

use std::fmt::Write as _;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::document::{Exploration, Finding, SpaceReport};
use super::terminal::{plans, tried};
use crate::report::columns;
use crate::report::document::Word;
use crate::report::junit;
use crate::report::units::{count, counted};

/// The widest line of a timeline.
const WIDTH: usize = 120;

/// The document.
pub fn write(report: &Exploration) -> String {
    let mut document = Document::new("misrule explore");
    document.set_time(report.elapsed());
    for space in &report.spaces {
        let mut suite = TestSuite::new(format!("{} ({})", space.scenario, space.profile));
        let name = match space.generated {
            Some(_) => "generated scenarios".to_owned(),
            None => format!("up to {}, {} menu", count(space.depth, "fault"), space.menu),
        };
        let mut all = case(space, name, whole(space));
        all.set_system_out(tried(report, space));
        suite.add_test_case(all);
        for finding in &space.findings {
            let name = if finding.cause.is_empty() { "as it is".to_owned() } else { finding.cause.join(" and ") };
            suite.add_test_case(case(space, format!("{} by {name}", finding.rule), failure(finding)));
        }
        document.add_test_suite(suite);
    }
    if !report.doubts.is_empty() {
        let mut suite = TestSuite::new("misrule explore");
        let mut case = TestCase::new("what was named struck", inconclusive(report.doubts.join(" ")));
        case.set_classname("misrule.explore");
        suite.add_test_case(case);
        document.add_test_suite(suite);
    }
    junit::text(document)
}

fn case(space: &SpaceReport, name: String, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("misrule.explore.{}.{}", space.scenario.replace('/', "."), space.profile));
    case.extra.insert("file".into(), space.path.clone().into());
    case
}

/// Findings are cases of their own; here stands whether all of it could be tried.
fn whole(space: &SpaceReport) -> TestCaseStatus {
    match space.verdict {
        Word::Ok | Word::Broken if space.not_run.count() == 0 => TestCaseStatus::success(),
        Word::Inconclusive => inconclusive(space.doubts.join(" ")),
        Word::Ok | Word::Broken | Word::NotRun => {
            let first = space.not_run.first.first().map_or("", |not_run| &*not_run.why);
            let plans = counted(space.not_run.count(), "plan");
            error("not run", format!("{plans} could not be run, the first because: {first}"))
        }
    }
}

fn inconclusive(why: String) -> TestCaseStatus {
    error("inconclusive", why)
}

fn error(kind: &str, why: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(kind).set_message(why);
    status
}

fn failure(finding: &Finding) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(finding.rule.clone());
    if let Some(shown) = &finding.shown {
        let mut text = format!("replay: {}\n{}\n\n", shown.replay, plans(finding));
        for message in &shown.messages {
            writeln!(text, "{message}").expect("writing to a string does not fail");
        }
        text.push_str(&columns::text(&shown.timeline, WIDTH));
        let first = shown.messages.first().map_or("", String::as_str);
        status.set_message(format!("{}: {first}", shown.money)).set_description(text);
    }
    status
}
