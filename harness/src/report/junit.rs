//! `junit.xml`, for CI: a suite a theme, a case a scenario and world.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::columns;
use super::document::{Beyond, Report, RunReport, ScenarioReport, Word};

/// The widest line of a timeline.
const WIDTH: usize = 120;

/// The document.
pub fn write(report: &Report) -> String {
    let mut document = Document::new("misrule");
    document.set_time(Duration::from_micros(report.measured.elapsed_us));
    let mut themes: Vec<&str> = Vec::new();
    for scenario in &report.scenarios {
        if !themes.contains(&theme(scenario)) {
            themes.push(theme(scenario));
        }
    }
    for theme_of_suite in themes {
        let mut suite = TestSuite::new(theme_of_suite);
        for scenario in &report.scenarios {
            if theme(scenario) == theme_of_suite {
                suite.add_test_cases(scenario.runs.iter().map(|run| case(report, scenario, run)));
            }
        }
        document.add_test_suite(suite);
    }
    if !report.beyond.is_empty() {
        let mut suite = TestSuite::new("beyond the scenarios");
        suite.add_test_cases(report.beyond.iter().map(beyond));
        document.add_test_suite(suite);
    }
    if report.coverage.codes_owed {
        let mut suite = TestSuite::new("coverage");
        suite.add_test_case(codes(report));
        document.add_test_suite(suite);
    }
    text(document)
}

/// A document as text, its cases told apart. Nothing is skipped, and `testsuites` of the schema has no word for it.
pub fn text(mut document: Document) -> String {
    each_by_its_own_name(&mut document);
    let text = document.to_string().expect("texts are cleared of what XML cannot hold");
    text.replacen(" skipped=\"0\"", "", 1)
}

/// Gives cases of the same name and class a number each, in their order: a CI that finds a name twice keeps the last one.
fn each_by_its_own_name(document: &mut Document) {
    let mut seen: BTreeMap<(Option<String>, String), u32> = BTreeMap::new();
    for case in document.test_suites.iter_mut().flat_map(|suite| &mut suite.test_cases) {
        let class = case.classname.as_ref().map(|class| class.as_str().to_owned());
        let times = seen.entry((class, case.name.as_str().to_owned())).or_insert(0);
        *times += 1;
        if *times > 1 {
            case.name = format!("{} ({times})", case.name.as_str()).into();
        }
    }
}

fn beyond(beyond: &Beyond) -> TestCase {
    let status = if beyond.verdict == Word::Ok {
        TestCaseStatus::success()
    } else {
        let mut text = String::new();
        for finding in &beyond.findings {
            writeln!(text, "{}: {}\nreplay: {}", finding.rule, finding.message, finding.replay)
                .expect("writing to a string does not fail");
            if !finding.timeline.is_empty() {
                text.push_str(&columns::text(&finding.timeline, WIDTH));
            }
        }
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type(beyond.verdict.as_str()).set_message(beyond.said.clone()).set_description(text);
        status
    };
    let mut case = TestCase::new(beyond.what.clone(), status);
    case.set_classname("misrule.beyond");
    case
}

/// Whether every error code was told to some caller.
fn codes(report: &Report) -> TestCase {
    let status = report.codes_not_told().map_or_else(TestCaseStatus::success, |why| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type(Word::Inconclusive.as_str()).set_message(why);
        status
    });
    let mut case = TestCase::new("every error code is told", status);
    case.set_classname("misrule.coverage");
    case
}

fn theme(scenario: &ScenarioReport) -> &str {
    scenario.name.rsplit_once('/').map_or("scenarios", |(theme, _)| theme)
}

fn case(report: &Report, scenario: &ScenarioReport, run: &RunReport) -> TestCase {
    let status = match run.verdict {
        Word::Ok => TestCaseStatus::success(),
        Word::Broken => {
            let rules: Vec<_> = run.findings.iter().map(|finding| &*finding.rule).collect();
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(rules.join(", ")).set_message(first_message(run)).set_description(description(run));
            status
        }
        Word::Inconclusive => error("inconclusive", &run.doubts.join(" "), run),
        Word::NotRun => error("not run", run.not_run.as_deref().unwrap_or_default(), run),
    };
    let name = format!("{} ({})", scenario.name, seed_and_world(scenario, run));
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("misrule.{}", theme(scenario).replace('/', ".")));
    case.extra.insert("file".into(), scenario.path.as_str().into());
    if let Some(median) = report.measured.median(&scenario.name, &run.world) {
        case.set_time(median);
    }
    case
}

fn seed_and_world(scenario: &ScenarioReport, run: &RunReport) -> String {
    let same_world = scenario.runs.iter().filter(|other| other.world == run.world);
    if same_world.count() > 1 { format!("{}, seed {}", run.world, run.seed) } else { run.world.clone() }
}

fn first_message(run: &RunReport) -> String {
    let first = run.findings.first().and_then(|finding| finding.messages.first()).map_or("", String::as_str);
    format!("{}: {first}", run.money)
}

fn description(run: &RunReport) -> String {
    let mut text = format!("replay: {}\n", run.replay);
    if let Some(whole) = &run.whole_plan {
        writeln!(text, "smallest part of the plan: {whole}").expect("writing to a string does not fail");
    }
    for finding in &run.findings {
        text.push('\n');
        for message in &finding.messages {
            writeln!(text, "{}: {message}", finding.rule).expect("writing to a string does not fail");
        }
        text.push_str(&columns::text(&finding.timeline, WIDTH));
    }
    text
}

fn error(kind: &str, message: &str, run: &RunReport) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(kind).set_message(message).set_description(format!("replay: {}\n", run.replay));
    status
}
