use super::*;
use crate::key::text;

/// What each operator makes of an expression, in order.
fn changed(code: &str) -> String {
    let expr: Expr = syn::parse_str(code).expect(code);
    let changes = of_expression(&expr).into_iter().map(|(operator, change)| match change {
        Change::Instead(expr) => format!("{operator}: {}", text(expr.to_token_stream())),
        Change::Flip => format!("{operator}: the other way round"),
    });
    changes.collect::<Vec<_>>().join("; ")
}

fn bodies(function: &str) -> String {
    let function: syn::ItemFn = syn::parse_str(function).expect(function);
    let name = function.sig.ident.to_string();
    let found = of_body(&name, &function.sig.output, &function.block);
    found.into_iter().map(|(operator, _)| operator.to_string()).collect::<Vec<_>>().join("; ")
}

fn table(rows: &[&str], of: impl Fn(&str) -> String) -> String {
    let rows: Vec<_> = rows.iter().map(|row| format!("{row}  =>  {}\n", of(row))).collect();
    rows.concat()
}

#[test]
fn expressions() {
    let rows = [
        "a < b",
        "a <= b",
        "a > b",
        "a >= b",
        "a == b",
        "a != b",
        "a + b",
        "a - b",
        "a * b",
        "a / b",
        "a % b",
        "a && b",
        "a || b",
        "a & b",
        "a | b",
        "a ^ b",
        "a << 1",
        "a >> 1",
        "a += 1",
        "a -= 1",
        "a *= 2",
        "!a",
        "true",
        "false",
        "0",
        "7_u16",
        "0xff",
        "\"text\"",
        "\"\"",
        "b\"bytes\"",
        "'c'",
        "1.5",
        "matches!(a, Some(_))",
        "format!(\"{a}\")",
        "vec![1]",
        "a.b(c)",
        "a[0]",
    ];
    insta::assert_snapshot!(table(&rows, changed));
}

#[test]
fn a_chain_with_a_let_is_no_operand() {
    let branch: syn::ExprIf = syn::parse_str("if a && let Some(b) = c && d {}").expect("code");
    assert!(has_let(&branch.cond));
    assert!(of_expression(&branch.cond).is_empty());
}

#[test]
fn bodies_return_what_their_type_has() {
    let rows = [
        "fn f() { g(); }",
        "fn f() {}",
        "fn f() -> bool { g() }",
        "fn f() -> bool { false }",
        "fn f() -> u32 { 7 }",
        "fn f() -> Option<u32> { g() }",
        "fn f() -> Option<bool> { None }",
        "fn f() -> Result<(), Error> { g() }",
        "fn f() -> Result<bool, Error> { g() }",
        "fn f() -> Result<Option<Order>, Error> { g() }",
        "fn f() -> io::Result<Vec<u8>> { g() }",
        "fn f() -> StoreResult { g() }",
        "fn f() -> &'static str { g() }",
        "fn f() -> impl Iterator<Item = u8> { g() }",
        "fn f() -> ! { g() }",
        "fn new() -> Self { Self { a: 1 } }",
        "fn default() -> Self { Self { a: 1 } }",
    ];
    insta::assert_snapshot!(table(&rows, bodies));
}

#[test]
fn a_condition_is_negated_once() {
    let rows = ["a", "a.is_empty()", "a && b", "(a || b)", "a < b", "!a", "true", "matches!(a, b)", "*a", "f(a)?"];
    let negatable = |row: &str| is_negatable(&syn::parse_str(row).expect(row)).to_string();
    insta::assert_snapshot!(table(&rows, negatable));
}

#[test]
fn statements_that_do_something_can_be_left_out() {
    let rows =
        ["f()", "a.f()", "a.f().await", "f().await?", "a = b", "a += 1", "return a", "break", "a", "f!()", "a + b"];
    let droppable = |row: &str| is_droppable(&syn::parse_str(row).expect(row)).to_string();
    insta::assert_snapshot!(table(&rows, droppable));
}
