use super::*;
use crate::blame::Guards;

fn rewritten_without(code: &str, constant: &[&str], refused: &[&str]) -> (String, Book) {
    let mut file = syn::parse_file(code).expect(code);
    let constant = constant.iter().map(|name| (*name).to_owned()).collect();
    let mut book = Book::without(refused.iter().map(|key| Key((*key).to_owned())).collect());
    rewrite(&mut file, "retry.rs", &["retry".to_owned()], &constant, &mut book);
    (prettyplease::unparse(&file), book)
}

fn rewritten(code: &str) -> (String, Book) {
    rewritten_without(code, &[], &[])
}

/// The keys and the code, as they are kept.
fn shown((code, book): (String, Book)) -> String {
    let keys: Vec<_> = book.mutants.iter().map(|mutant| format!("{} {}\n", mutant.id, mutant.key)).collect();
    format!("{}\n{code}", keys.concat())
}

fn keys(code: &str) -> Vec<String> {
    rewritten(code).1.mutants.into_iter().map(|mutant| mutant.key.0).collect()
}

#[test]
fn operators_are_guarded_with_the_original_last() {
    insta::assert_snapshot!(shown(rewritten("fn f(a: u32, b: u32) -> u32 { g(a + b * 2) }")));
}

#[test]
fn truth_values_are_turned_round_without_a_copy() {
    insta::assert_snapshot!(shown(rewritten("fn f(a: bool) { let b = !a; let c = matches!(b, true); g(c, false); }")));
}

#[test]
fn conditions_are_negated_and_chains_by_their_parts() {
    insta::assert_snapshot!(shown(rewritten(
        "fn f() { if a() { b } else if c && let Some(d) = e() && d.f() { g } while h() {} }"
    )));
}

#[test]
fn arms_before_a_catch_all_can_be_dropped() {
    insta::assert_snapshot!(shown(rewritten(
        "fn f() { match a { B => c, D if e() => f, _ => g } match a { H => i, J => k } }"
    )));
}

#[test]
fn statements_can_be_left_out_and_errors_ignored() {
    insta::assert_snapshot!(shown(rewritten("fn f() { a(); b.c = d; e.f += 1; g().await?; return; }")));
}

#[test]
fn bodies_return_early() {
    insta::assert_snapshot!(shown(rewritten(
        "impl<T> A<T> { async fn f(&self) -> Result<bool, E> { g() } } impl B for A<u8> { fn h(&self) { i(); } }"
    )));
}

#[test]
fn a_function_loses_const_unless_a_constant_calls_it() {
    let code = "const fn a() -> u32 { 1 } const fn b() -> u32 { 2 }";
    insta::assert_snapshot!(shown(rewritten_without(code, &["b"], &[])));
}

#[test]
fn what_no_call_can_stand_in_is_left_alone() {
    let code = "const A: u32 = 1 + 2; static B: &str = \"b\"; enum C { D = 3 } \
        #[cfg(test)] mod tests { fn f() -> u32 { 4 } } #[test] fn t() { g(5); } \
        macro_rules! m { () => { 6 } } impl std::fmt::Debug for C { fn fmt(&self) -> bool { true } } \
        fn f(a: [u8; 7]) { let _ = [a; 8]; match a { 9 => {} _ if let_it => {} } h!(10); i::<11>(); j.expect(\"why\"); }";
    let left: Vec<_> = keys(code).into_iter().filter(|key| key != "retry::f | body | body removed").collect();
    assert_eq!(
        left,
        ["retry::f | let_it | negated", "retry::f | i::< 11 >() | dropped", "retry::f | j.expect(\"why\") | dropped"]
    );
}

#[test]
fn a_key_stays_when_the_function_moves_and_is_formatted_anew() {
    let one = "fn a() -> u32 { g(1, b\n  && c,\n) }\nfn z() { y(); }\n";
    let other = "// A line more.\nfn z() {\n    y();\n}\n\nfn n() {}\n\nfn a() -> u32 {\n    g(1, b && c)\n}\n";
    let sorted = |code: &str| {
        let mut keys = keys(code);
        keys.sort();
        keys
    };
    assert_eq!(sorted(one), sorted(other));
    assert!(keys(one).len() >= 6, "{:?}", keys(one));
}

#[test]
fn no_two_mutants_share_a_key() {
    let keys = keys("fn f() { a(1, 1, b + 1, b + 1); a(1, 1, b + 1, b + 1); } impl A { fn f() { a(1); } }");
    let different: BTreeSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len(), "{keys:?}");
}

#[test]
fn a_refused_mutant_keeps_its_number_and_has_no_guard() {
    let code = "fn f(a: u32) -> u32 { a + 1 }";
    let (before, all) = rewritten(code);
    assert!(before.contains("on(2)"), "{before}");
    let (after, book) = rewritten_without(code, &[], &[&all.mutants[1].key.0]);
    assert!(!after.contains("on(2)") && after.contains("on(3)"), "{after}");
    assert_eq!(book.mutants, all.mutants);
}

#[test]
fn every_guard_that_is_written_is_found_again() {
    let code = "fn f(a: u32) -> Result<bool, E> { if a < 3 || g() { h()?; } match a { 1 => b = !c, _ => d(\"e\") } Ok(a == 2) }";
    let (code, book) = rewritten(code);
    let guards = Guards::of(&code).expect("code");
    let found: BTreeSet<u32> = code
        .match_indices("crate::mutants::on(")
        .map(|(at, _)| {
            let before = &code[..at];
            let column = at - before.rfind('\n').map_or(0, |at| at + 1) + 1;
            let line = before.matches('\n').count() + 1;
            guards.at(crate::blame::Place { line, column }).expect("a guard is around its own condition")
        })
        .collect();
    assert_eq!(found, book.mutants.iter().map(|mutant| mutant.id).collect());
}

/// The guards and the switch as one crate, through the compiler that builds the tool.
#[test]
fn guarded_code_compiles_and_does_what_the_active_mutant_does() {
    let code = "fn less(a: u32, b: u32) -> bool { a < b }
        fn main() { let mut said = String::new(); said.push_str(\"a\"); println!(\"{} {said}\", less(2, 2)); }";
    let (main, book) = rewritten(code);
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect(name);
    write("main.rs", &format!("{main}\nmod mutants;\n"));
    write("mutants.rs", &crate::switch::code(book.mutants.len()));
    let program = folder.path().join("program");
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let made = std::process::Command::new(compiler)
        .args(["--edition", "2024", "-o"])
        .arg(&program)
        .arg(folder.path().join("main.rs"))
        .output()
        .expect("a compiler");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let notes = folder.path().join("notes");
    let said = |active: &str| {
        let mut command = std::process::Command::new(&program);
        command.env(crate::switch::ACTIVE, active).env(crate::switch::REACHED, &notes);
        String::from_utf8(command.output().expect("it starts").stdout).expect("text")
    };
    let id = |of: &str| {
        let found = book.mutants.iter().find(|mutant| mutant.key.0.ends_with(of));
        found.unwrap_or_else(|| panic!("{of}: {book:?}")).id.to_string()
    };
    assert_eq!(said(""), "false a\n");
    assert_eq!(said(&id("< to <=")), "true a\n");
    assert_eq!(said(&id("said.push_str(\"a\") | dropped")), "false \n");
    let reached = std::fs::read_to_string(notes).expect("notes");
    assert!(reached.lines().any(|line| line == id("< to <=")), "{reached}");
}
