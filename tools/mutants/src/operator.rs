//! The operators: what a piece of code is changed into. Pure; where the changes are guarded is the business of `rewrite.rs`.
//!
//! Two operators never give the same program at one place: a condition that is a comparison, a `!`, a `matches!` or a
//! literal is negated by its own operator, so the operator for whole conditions leaves it alone.

use std::fmt;

use proc_macro2::{Literal, Span};
use quote::ToTokens;
use syn::{BinOp, Block, Expr, ExprLit, ExprMacro, ExprUnary, Lit, LitInt, ReturnType, Stmt, Type, UnOp, parse_quote};

/// What is done to a piece of code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Operator {
    /// The function returns this at once.
    Body(String),
    /// An operator in place of another.
    Symbol(&'static str, &'static str),
    /// A condition, a guard or a `matches!` the other way round.
    Negated,
    /// A `!` less.
    NotRemoved,
    /// An arm that never matches, so that the catch-all arm is taken.
    ArmDropped,
    /// A statement that is not carried out.
    Dropped,
    /// A `?;` that goes on after an error.
    ErrorIgnored,
    /// An integer plus one.
    More,
    /// An integer minus one.
    Less,
    /// `true` for `false`, `false` for `true`.
    Flipped,
    /// A text without its letters.
    Emptied,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(value) if value.is_empty() => f.write_str("body removed"),
            Self::Body(value) => write!(f, "returns {value}"),
            Self::Symbol(from, to) => write!(f, "{from} to {to}"),
            Self::Negated => f.write_str("negated"),
            Self::NotRemoved => f.write_str("! removed"),
            Self::ArmDropped => f.write_str("arm dropped"),
            Self::Dropped => f.write_str("dropped"),
            Self::ErrorIgnored => f.write_str("error ignored"),
            Self::More => f.write_str("plus 1"),
            Self::Less => f.write_str("minus 1"),
            Self::Flipped => f.write_str("flipped"),
            Self::Emptied => f.write_str("emptied"),
        }
    }
}

/// How a change is carried out.
#[expect(clippy::large_enum_variant, reason = "it lives for one expression")]
pub(crate) enum Change {
    /// Another expression is evaluated.
    Instead(Expr),
    /// The truth value is turned round after it was evaluated, which copies no code.
    Flip,
}

/// The changes of one expression, its parts left alone.
pub(crate) fn of_expression(expr: &Expr) -> Vec<(Operator, Change)> {
    match expr {
        Expr::Binary(binary) if !has_let(expr) => symbols(&binary.op)
            .into_iter()
            .map(|(from, to, op)| {
                let mut changed = binary.clone();
                changed.op = op;
                (Operator::Symbol(from, to), Change::Instead(Expr::Binary(changed)))
            })
            .collect(),
        Expr::Unary(ExprUnary { op: UnOp::Not(_), .. }) => vec![(Operator::NotRemoved, Change::Flip)],
        Expr::Macro(ExprMacro { mac, .. }) if mac.path.is_ident("matches") => vec![(Operator::Negated, Change::Flip)],
        Expr::Macro(ExprMacro { mac, .. }) if mac.path.is_ident("format") => {
            vec![(Operator::Emptied, Change::Instead(parse_quote!(String::new())))]
        }
        Expr::Lit(ExprLit { lit, .. }) => of_literal(lit),
        _ => Vec::new(),
    }
}

fn of_literal(lit: &Lit) -> Vec<(Operator, Change)> {
    match lit {
        Lit::Bool(_) => vec![(Operator::Flipped, Change::Flip)],
        Lit::Str(text) if !text.value().is_empty() => {
            vec![(Operator::Emptied, Change::Instead(parse_quote!("")))]
        }
        Lit::Int(number) => {
            let Ok(value) = number.base10_parse::<u128>() else { return Vec::new() };
            let mut changes = vec![(Operator::More, value.saturating_add(1))];
            // Below 0 most types have nothing.
            changes.extend(value.checked_sub(1).map(|less| (Operator::Less, less)));
            let literal = |value: u128| {
                let text = format!("{value}{}", number.suffix());
                let literal: Literal = text.parse().expect("digits and a suffix are a literal");
                Expr::Lit(ExprLit { attrs: Vec::new(), lit: Lit::Int(LitInt::from(literal)) })
            };
            changes.into_iter().map(|(operator, value)| (operator, Change::Instead(literal(value)))).collect()
        }
        _ => Vec::new(),
    }
}

/// What stands in for a binary operator: for a comparison its boundary and its contrary, else the operator that is most
/// easily taken for it.
fn symbols(op: &BinOp) -> Vec<(&'static str, &'static str, BinOp)> {
    macro_rules! to {
        ($from:literal: $($to:tt),+) => { vec![$(($from, stringify!($to), parse_quote!($to))),+] };
    }
    match op {
        BinOp::Add(_) => to!("+": -),
        BinOp::Sub(_) => to!("-": +),
        BinOp::Mul(_) => to!("*": /),
        BinOp::Div(_) => to!("/": *),
        BinOp::Rem(_) => to!("%": /),
        BinOp::And(_) => to!("&&": ||),
        BinOp::Or(_) => to!("||": &&),
        BinOp::BitXor(_) => to!("^": &),
        BinOp::BitAnd(_) => to!("&": |),
        BinOp::BitOr(_) => to!("|": &),
        BinOp::Shl(_) => to!("<<": >>),
        BinOp::Shr(_) => to!(">>": <<),
        BinOp::Eq(_) => to!("==": !=),
        BinOp::Ne(_) => to!("!=": ==),
        BinOp::Lt(_) => to!("<": <=, >=),
        BinOp::Le(_) => to!("<=": <, >),
        BinOp::Gt(_) => to!(">": >=, <=),
        BinOp::Ge(_) => to!(">=": >, <),
        BinOp::AddAssign(_) => to!("+=": -=),
        BinOp::SubAssign(_) => to!("-=": +=),
        BinOp::MulAssign(_) => to!("*=": /=),
        BinOp::DivAssign(_) => to!("/=": *=),
        BinOp::BitAndAssign(_) => to!("&=": |=),
        BinOp::BitOrAssign(_) => to!("|=": &=),
        _ => Vec::new(),
    }
}

/// Whether a condition is a chain with a `let`, which is no expression that could stand elsewhere.
pub(crate) fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

/// Whether the operator for conditions is of use here, or another one does the same.
pub(crate) fn is_negatable(condition: &Expr) -> bool {
    match condition {
        Expr::Paren(inner) => is_negatable(&inner.expr),
        Expr::Binary(binary) => matches!(binary.op, BinOp::And(_) | BinOp::Or(_)),
        Expr::Unary(unary) => !matches!(unary.op, UnOp::Not(_)),
        Expr::Macro(call) => !call.mac.path.is_ident("matches"),
        Expr::Lit(_) | Expr::Let(_) => false,
        _ => true,
    }
}

/// Whether a statement is there for what it does, so that leaving it out is a change.
pub(crate) fn is_droppable(expr: &Expr) -> bool {
    match expr {
        Expr::Call(_) | Expr::MethodCall(_) | Expr::Assign(_) => true,
        Expr::Binary(binary) => is_assigning(&binary.op),
        Expr::Await(inner) => is_droppable(&inner.base),
        Expr::Try(inner) => is_droppable(&inner.expr),
        Expr::Paren(inner) => is_droppable(&inner.expr),
        _ => false,
    }
}

const fn is_assigning(op: &BinOp) -> bool {
    matches!(
        op,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    )
}

/// Functions that make a default value: one that returned the default would call itself.
const MAKERS: [&str; 2] = ["default", "new"];

/// What a function may return in place of doing its work; nothing for the unit. Whether the types allow it, the compiler
/// says.
pub(crate) fn of_body(name: &str, output: &ReturnType, block: &Block) -> Vec<(Operator, Option<Expr>)> {
    if MAKERS.contains(&name) || block.stmts.is_empty() {
        return Vec::new();
    }
    let values: Vec<Expr> = match output {
        ReturnType::Default => return vec![(Operator::Body(String::new()), None)],
        ReturnType::Type(_, of) => values(of),
    };
    let whole = match block.stmts.as_slice() {
        [Stmt::Expr(expr, None)] => expr.to_token_stream().to_string(),
        _ => String::new(),
    };
    values
        .into_iter()
        .filter(|value| value.to_token_stream().to_string() != whole)
        .map(|value| {
            let said = value.to_token_stream().to_string().replace(' ', "").replace("Default::default()", "Default");
            (Operator::Body(said), Some(value))
        })
        .collect()
}

fn values(of: &Type) -> Vec<Expr> {
    let Type::Path(path) = of else {
        return match of {
            Type::Tuple(_) | Type::Reference(_) | Type::Array(_) => vec![parse_quote!(Default::default())],
            _ => Vec::new(),
        };
    };
    let Some(last) = path.path.segments.last() else { return Vec::new() };
    let inner = match &last.arguments {
        syn::PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
            syn::GenericArgument::Type(of) => Some(of),
            _ => None,
        }),
        _ => None,
    };
    let name = last.ident.to_string();
    match name.as_str() {
        "bool" => vec![parse_quote!(true), parse_quote!(false)],
        "Option" => {
            let mut found = vec![parse_quote!(None)];
            found.extend(inner.into_iter().flat_map(values).map(|value| -> Expr { parse_quote!(Some(#value)) }));
            found
        }
        _ if name.ends_with("Result") => match inner {
            Some(inner) if name == "Result" => {
                let empty = matches!(inner, Type::Tuple(tuple) if tuple.elems.is_empty());
                if empty {
                    return vec![parse_quote!(Ok(()))];
                }
                values(inner).into_iter().map(|value| parse_quote!(Ok(#value))).collect()
            }
            _ => vec![parse_quote!(Ok(Default::default()))],
        },
        _ => vec![parse_quote!(Default::default())],
    }
}

/// A call that is true while mutant `id` is the active one.
pub(crate) fn guard(id: u32) -> Expr {
    let id = LitInt::new(&id.to_string(), Span::call_site());
    parse_quote!(crate::mutants::on(#id))
}

#[cfg(test)]
mod tests;
