//! Writes every mutant into the code, each behind a guard that is true in one process only.
//!
//! The original stays the last branch of each guard and holds the guards of its own parts; a mutated branch holds plain code.
//! Constants, statics, patterns, types and macros are left alone: there no call can stand.

use std::collections::BTreeSet;

use quote::ToTokens;
use serde::{Deserialize, Serialize};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, BinOp, Block, Expr, ImplItem, Item, Meta, Pat, Signature, Stmt, TraitItem, parse_quote};

use crate::key::{Key, Keys, text};
use crate::operator::{self, Change, Operator, guard};

/// One change of the code.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Mutant {
    /// As the guard asks; counts from 1 and holds for one build.
    pub(crate) id: u32,
    /// Its name over builds.
    pub(crate) key: Key,
    /// The file, below `src`.
    pub(crate) file: String,
}

/// All mutants, in order, and which of them the compiler refused.
#[derive(Default, Debug)]
pub(crate) struct Book {
    pub(crate) mutants: Vec<Mutant>,
    pub(crate) refused: BTreeSet<Key>,
    keys: Keys,
}

impl Book {
    /// A book whose guards leave these out.
    pub(crate) fn without(refused: BTreeSet<Key>) -> Self {
        Self { refused, ..Self::default() }
    }

    fn enter(&mut self, file: &str, item: &str, text: &str, operator: &Operator) -> Option<u32> {
        let key = self.keys.next(item, text, operator);
        let id = u32::try_from(self.mutants.len() + 1).expect("fewer mutants than numbers");
        let refused = self.refused.contains(&key);
        self.mutants.push(Mutant { id, key, file: file.to_owned() });
        (!refused).then_some(id)
    }
}

/// Rewrites one file. `module` is its path in the crate; functions that constants call keep their `const`, and stay as they are.
pub(crate) fn rewrite(
    code: &mut syn::File,
    file: &str,
    module: &[String],
    constant: &BTreeSet<String>,
    book: &mut Book,
) {
    Rewriter { file, item: module.to_vec(), around: None, constant, book }.visit_file_mut(code);
}

struct Rewriter<'a> {
    file: &'a str,
    item: Vec<String>,
    /// The code that a literal is read in: alone it says nothing, and there are many like it.
    around: Option<String>,
    constant: &'a BTreeSet<String>,
    book: &'a mut Book,
}

impl Rewriter<'_> {
    fn enter(&mut self, of: &impl ToTokens, operator: &Operator) -> Option<u32> {
        self.book.enter(self.file, &self.item.join("::"), &text(of.to_token_stream()), operator)
    }

    fn enter_expression(&mut self, expr: &Expr, operator: &Operator) -> Option<u32> {
        match (expr, &self.around) {
            (Expr::Lit(_), Some(around)) => {
                let text = format!("{} in {around}", text(expr.to_token_stream()));
                self.book.enter(self.file, &self.item.join("::"), &text, operator)
            }
            _ => self.enter(expr, operator),
        }
    }

    /// Goes on with the literals of `around`.
    fn reading(&mut self, around: Option<String>, act: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.around, around);
        act(self);
        self.around = outside;
    }

    fn within(&mut self, name: String, act: impl FnOnce(&mut Self)) {
        self.item.push(name);
        act(self);
        self.item.pop();
    }

    fn function(&mut self, sig: &mut Signature, block: &mut Block) {
        let name = sig.ident.to_string();
        if sig.constness.is_some() {
            if self.constant.contains(&name) {
                return;
            }
            sig.constness = None;
        }
        self.within(name.clone(), |it| {
            let bodies = operator::of_body(&name, &sig.output, block);
            let early: Vec<Stmt> = bodies
                .into_iter()
                .filter_map(|(operator, value)| {
                    let on = guard(it.book.enter(it.file, &it.item.join("::"), "body", &operator)?);
                    Some(parse_quote!(if #on { return #value; }))
                })
                .collect();
            it.visit_block_mut(block);
            block.stmts.splice(0..0, early);
        });
    }

    /// A condition: each part of it that is no `let`.
    fn condition(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Let(part) => self.visit_expr_mut(&mut part.expr),
            Expr::Binary(chain)
                if matches!(chain.op, BinOp::And(_))
                    && (operator::has_let(&chain.left) || operator::has_let(&chain.right)) =>
            {
                self.condition(&mut chain.left);
                self.condition(&mut chain.right);
            }
            _ => {
                let id = if operator::is_negatable(expr) { self.enter(expr, &Operator::Negated) } else { None };
                self.visit_expr_mut(expr);
                flip(expr, id);
            }
        }
    }

    /// The parts of an expression.
    fn parts(&mut self, expr: &mut Expr) {
        match expr {
            Expr::If(branch) => {
                self.condition(&mut branch.cond);
                self.visit_block_mut(&mut branch.then_branch);
                if let Some((_, other)) = &mut branch.else_branch {
                    self.visit_expr_mut(other);
                }
            }
            Expr::While(repeated) => {
                self.condition(&mut repeated.cond);
                self.visit_block_mut(&mut repeated.body);
            }
            Expr::Match(choice) => {
                self.visit_expr_mut(&mut choice.expr);
                let catch_all = choice.arms.last().is_some_and(|arm| arm.guard.is_none() && catches_all(&arm.pat));
                let last = choice.arms.len().saturating_sub(1);
                for (index, arm) in choice.arms.iter_mut().enumerate() {
                    let dropped =
                        if catch_all && index < last { self.enter(&arm.pat, &Operator::ArmDropped) } else { None };
                    if let Some((_, condition)) = &mut arm.guard {
                        self.condition(condition);
                    }
                    let read = matches!(*arm.body, Expr::Lit(_)).then(|| text(arm.pat.to_token_stream()));
                    self.reading(read, |it| it.visit_expr_mut(&mut arm.body));
                    if let Some(id) = dropped {
                        let on = guard(id);
                        let condition: Expr = match arm.guard.take() {
                            Some((_, condition)) => parse_quote!(!#on && (#condition)),
                            None => parse_quote!(!#on),
                        };
                        arm.guard = Some((syn::token::If::default(), Box::new(condition)));
                    }
                }
            }
            // The words of a panic are for programmers.
            Expr::MethodCall(call) if call.method == "expect" => self.visit_expr_mut(&mut call.receiver),
            Expr::Struct(of) => {
                for field in &mut of.fields {
                    let read = format!("{} {{{}}}", text(of.path.to_token_stream()), text(field.to_token_stream()));
                    self.reading(Some(read), |it| it.visit_expr_mut(&mut field.expr));
                }
                if let Some(rest) = &mut of.rest {
                    self.visit_expr_mut(rest);
                }
            }
            Expr::Repeat(repeated) => self.visit_expr_mut(&mut repeated.expr),
            Expr::Const(_) | Expr::Macro(_) => {}
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn statement(&mut self, statement: &mut Stmt) {
        let Stmt::Expr(expr, Some(_)) = statement else {
            let read = match statement {
                Stmt::Local(local) => Some(text(local.pat.to_token_stream())),
                _ => None,
            };
            return self.reading(read, |it| visit_mut::visit_stmt_mut(it, statement));
        };
        if !operator::is_droppable(expr) {
            return self.visit_expr_mut(expr);
        }
        let dropped = self.enter(expr, &Operator::Dropped);
        let ignored = match &*expr {
            Expr::Try(attempt) => {
                let inner = attempt.expr.clone();
                self.enter(expr, &Operator::ErrorIgnored).map(|id| (id, inner))
            }
            _ => None,
        };
        self.visit_expr_mut(expr);
        if let Some((id, inner)) = ignored {
            let on = guard(id);
            *statement = parse_quote!(if #on { let _ = #inner; } else { #statement });
        }
        if let Some(id) = dropped {
            let on = guard(id);
            *statement = parse_quote!(if !#on { #statement });
        }
    }
}

impl VisitMut for Rewriter<'_> {
    fn visit_item_mut(&mut self, item: &mut Item) {
        match item {
            Item::Fn(function) if !is_test(&function.attrs) => self.function(&mut function.sig, &mut function.block),
            Item::Mod(module) if !is_test(&module.attrs) => {
                self.within(module.ident.to_string(), |it| visit_mut::visit_item_mod_mut(it, module));
            }
            Item::Impl(of) if !is_test(&of.attrs) => {
                let kind = of.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
                // What is printed for programmers only.
                if kind.is_some_and(|kind| kind.ident == "Debug") {
                    return;
                }
                let of_type = text(without_arguments(&of.self_ty));
                let name = kind
                    .map_or_else(|| of_type.clone(), |kind| format!("<{of_type} as {}>", text(kind.to_token_stream())));
                self.within(name, |it| {
                    for item in &mut of.items {
                        if let ImplItem::Fn(function) = item
                            && !is_test(&function.attrs)
                        {
                            it.function(&mut function.sig, &mut function.block);
                        }
                    }
                });
            }
            Item::Trait(of) if !is_test(&of.attrs) => self.within(of.ident.to_string(), |it| {
                for item in &mut of.items {
                    if let TraitItem::Fn(function) = item
                        && let Some(block) = &mut function.default
                    {
                        it.function(&mut function.sig, block);
                    }
                }
            }),
            _ => {}
        }
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        for statement in &mut block.stmts {
            self.statement(statement);
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let mut flips = Vec::new();
        let mut instead = Vec::new();
        for (operator, change) in operator::of_expression(expr) {
            let Some(id) = self.enter_expression(expr, &operator) else { continue };
            match change {
                Change::Flip => flips.push(id),
                Change::Instead(changed) => instead.push((id, changed)),
            }
        }
        match around(expr) {
            Around::This => self.reading(Some(text(expr.to_token_stream())), |it| it.parts(expr)),
            Around::Nothing => self.reading(None, |it| it.parts(expr)),
            Around::AsBefore => self.parts(expr),
        }
        for (id, changed) in instead.into_iter().rev() {
            let on = guard(id);
            *expr = parse_quote!((if #on { #changed } else { #expr }));
        }
        for id in flips {
            flip(expr, Some(id));
        }
    }

    fn visit_attribute_mut(&mut self, _: &mut Attribute) {}
    fn visit_generic_argument_mut(&mut self, _: &mut syn::GenericArgument) {}
    fn visit_generics_mut(&mut self, _: &mut syn::Generics) {}
    fn visit_macro_mut(&mut self, _: &mut syn::Macro) {}
    fn visit_pat_mut(&mut self, _: &mut Pat) {}
    fn visit_path_mut(&mut self, _: &mut syn::Path) {}
    fn visit_type_mut(&mut self, _: &mut syn::Type) {}
}

fn flip(expr: &mut Expr, id: Option<u32>) {
    if let Some(id) = id {
        let on = guard(id);
        *expr = parse_quote!((#on != (#expr)));
    }
}

/// Which code the literals among an expression's parts are read in.
enum Around {
    This,
    Nothing,
    AsBefore,
}

const fn around(expr: &Expr) -> Around {
    match expr {
        Expr::Assign(_)
        | Expr::Binary(_)
        | Expr::Call(_)
        | Expr::Index(_)
        | Expr::MethodCall(_)
        | Expr::Range(_)
        | Expr::Return(_)
        | Expr::Tuple(_) => Around::This,
        Expr::Array(_) | Expr::Cast(_) | Expr::Paren(_) | Expr::Reference(_) | Expr::Try(_) | Expr::Unary(_) => {
            Around::AsBefore
        }
        _ => Around::Nothing,
    }
}

fn catches_all(pattern: &Pat) -> bool {
    match pattern {
        Pat::Wild(_) => true,
        // In lower case it is a binding, else it may be a constant or a variant.
        Pat::Ident(name) => {
            name.subpat.is_none() && name.ident.to_string().starts_with(|first: char| first.is_ascii_lowercase())
        }
        _ => false,
    }
}

/// A type's name without lifetimes and parameters.
fn without_arguments(of: &syn::Type) -> proc_macro2::TokenStream {
    match of {
        syn::Type::Path(path) => match path.path.segments.last() {
            Some(last) => last.ident.to_token_stream(),
            None => of.to_token_stream(),
        },
        _ => of.to_token_stream(),
    }
}

/// Whether an item is compiled for tests only.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::NameValue(_) => false,
    })
}

#[cfg(test)]
mod tests;
