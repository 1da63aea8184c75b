//! Which mutant a compiler error is about: the innermost guard around the place that the compiler names.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, BinOp, Expr, UnOp};

/// A place as compilers say it: both count from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl From<LineColumn> for Place {
    fn from(at: LineColumn) -> Self {
        Self { line: at.line, column: at.column + 1 }
    }
}

/// The guards and functions of a file, by place.
pub(crate) struct Guards {
    guards: Vec<(u32, Place, Place)>,
    functions: Vec<(Place, Place)>,
}

impl Guards {
    /// Those of a file as it was written.
    pub(crate) fn of(code: &str) -> Result<Self, syn::Error> {
        let file = syn::parse_file(code)?;
        let mut found = Self { guards: Vec::new(), functions: Vec::new() };
        found.visit_file(&file);
        Ok(found)
    }

    /// The mutant of the innermost guard around a place.
    pub(crate) fn at(&self, place: Place) -> Option<u32> {
        let around = self.guards.iter().filter(|(_, start, end)| *start <= place && place < *end);
        // Of two that contain a place the inner one begins later.
        around.max_by_key(|(_, start, end)| (*start, std::cmp::Reverse(*end))).map(|(id, ..)| *id)
    }

    /// Every mutant of the innermost function around a place.
    pub(crate) fn in_function(&self, place: Place) -> BTreeSet<u32> {
        let around = self.functions.iter().filter(|(start, end)| *start <= place && place < *end);
        let Some((start, end)) = around.max_by_key(|(start, _)| *start) else { return BTreeSet::new() };
        self.guards.iter().filter(|(_, from, to)| start <= from && to <= end).map(|(id, ..)| *id).collect()
    }

    fn guard(&mut self, condition: &Expr, around: &impl Spanned) {
        if let Some(id) = asked(condition) {
            let span = around.span();
            self.guards.push((id, span.start().into(), span.end().into()));
        }
    }
}

/// The number in `crate::mutants::on(7)`, `!crate::mutants::on(7)` or `!crate::mutants::on(7) && …`.
fn asked(condition: &Expr) -> Option<u32> {
    match condition {
        Expr::Unary(not) if matches!(not.op, UnOp::Not(_)) => asked(&not.expr),
        Expr::Binary(chain) if matches!(chain.op, BinOp::And(_)) => asked(&chain.left),
        Expr::Call(call) => {
            let Expr::Path(function) = &*call.func else { return None };
            let path: Vec<_> = function.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let Some(Expr::Lit(id)) = call.args.first() else { return None };
            let syn::Lit::Int(id) = &id.lit else { return None };
            (path == ["crate", "mutants", "on"]).then(|| id.base10_parse().ok())?
        }
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Guards {
    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        self.guard(&branch.cond, branch);
        visit::visit_expr_if(self, branch);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if matches!(binary.op, BinOp::Ne(_)) {
            self.guard(&binary.left, binary);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if let Some((_, condition)) = &arm.guard {
            self.guard(condition, arm);
        }
        visit::visit_arm(self, arm);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.functions.push((function.span().start().into(), function.span().end().into()));
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.functions.push((function.span().start().into(), function.span().end().into()));
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.functions.push((function.span().start().into(), function.span().end().into()));
        visit::visit_trait_item_fn(self, function);
    }
}

/// An error of the compiler: its words, and its places by file, the one it is about first.
#[derive(Clone, Debug)]
pub(crate) struct Complaint {
    pub(crate) said: String,
    pub(crate) places: Vec<(String, Place)>,
}

/// The mutants that are left out so that an error goes away; none if no guard is near any of its places.
pub(crate) fn blamed(complaint: &Complaint, files: &BTreeMap<String, Guards>) -> BTreeSet<u32> {
    let at = |(file, place): &(String, Place)| files.get(file).and_then(|guards| guards.at(*place));
    if let Some(id) = complaint.places.iter().find_map(at) {
        return BTreeSet::from([id]);
    }
    let within = |(file, place): &(String, Place)| files.get(file).map(|guards| guards.in_function(*place));
    complaint.places.iter().filter_map(within).find(|ids| !ids.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "fn one() -> bool {
    if crate::mutants::on(1) { return true; }
    (crate::mutants::on(2) != (a == (if crate::mutants::on(3) { 1 } else { 2 })))
}
fn other(x: u8) {
    match x { 1 if !crate::mutants::on(4) && (y) => {} _ => {} }
    plain();
}
";

    fn place(of: &str) -> Place {
        let before = &CODE[..CODE.find(of).expect(of)];
        let line = before.matches('\n').count() + 1;
        Place { line, column: before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1 }
    }

    #[test]
    fn an_error_is_of_the_innermost_guard() {
        let guards = Guards::of(CODE).expect("code");
        let at = |of| guards.at(place(of));
        assert_eq!(
            [at("return"), at("a =="), at("1 } else"), at("(y)"), at("plain")],
            [Some(1), Some(2), Some(3), Some(4), None]
        );
    }

    #[test]
    fn an_error_beside_all_guards_is_of_its_whole_function() {
        let files = BTreeMap::from([("a.rs".to_owned(), Guards::of(CODE).expect("code"))]);
        let complaint = |of| Complaint { said: String::new(), places: vec![("a.rs".to_owned(), place(of))] };
        assert_eq!(blamed(&complaint("plain"), &files), BTreeSet::from([4]));
        assert_eq!(blamed(&complaint("one()"), &files), BTreeSet::from([1, 2, 3]));
        let elsewhere = Complaint { said: String::new(), places: vec![("b.rs".to_owned(), place("plain"))] };
        assert_eq!(blamed(&elsewhere, &files), BTreeSet::new());
    }
}
