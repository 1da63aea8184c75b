//! Reads the code of GiftGenius: its files by their modules, and which functions must stay `const`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Item, ItemFn};

use crate::error::Error;
use crate::rewrite::is_test;

/// What no call of a tool goes through, or is held by tests of its own: the command line and its settings.
const LEFT_OUT: [&str; 5] = ["cli", "config", "operations::policy_page", "main", "mutants"];

/// A file of the crate.
pub(crate) struct Source {
    /// Below `src`, with `/`.
    pub(crate) file: String,
    /// Its path in the crate.
    pub(crate) module: Vec<String>,
    pub(crate) code: syn::File,
    /// Whether its code is mutated.
    pub(crate) mutated: bool,
}

/// Every file that `lib.rs` leads to, but those of tests.
pub(crate) fn read(src: &Path) -> Result<Vec<Source>, Error> {
    let mut found = Vec::new();
    follow(src, "lib.rs", &[], &mut found)?;
    Ok(found)
}

fn follow(src: &Path, file: &str, module: &[String], found: &mut Vec<Source>) -> Result<(), Error> {
    let code = parsed(&src.join(file))?;
    let below: Vec<String> = code
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(module) if module.content.is_none() && !is_test(&module.attrs) => Some(module.ident.to_string()),
            _ => None,
        })
        .collect();
    let path = module.join("::");
    let mutated = !LEFT_OUT.iter().any(|left| path == *left || path.starts_with(&format!("{left}::")));
    found.push(Source { file: file.to_owned(), module: module.to_vec(), code, mutated });
    for name in below {
        let module = [module, &[name]].concat();
        let path = module.join("/");
        let file = [format!("{path}.rs"), format!("{path}/mod.rs")].into_iter().find(|file| src.join(file).is_file());
        let file = file.ok_or_else(|| Error::NoModule { module: module.join("::"), folder: src.to_owned() })?;
        follow(src, &file, &module, found)?;
    }
    Ok(())
}

/// A file as a syntax tree.
pub(crate) fn parsed(path: &Path) -> Result<syn::File, Error> {
    let text = fs::read_to_string(path).map_err(|error| Error::read(path, error))?;
    syn::parse_file(&text).map_err(|error| Error::Syntax {
        path: path.to_owned(),
        line: error.span().start().line,
        said: error.to_string(),
    })
}

/// Every Rust file below a folder, in order.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| Error::read(folder, error))?;
    for entry in entries {
        let path = entry.map_err(|error| Error::read(folder, error))?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The names of what is called where only `const` functions may be: in constants, statics, lengths and patterns of the crate
/// itself and of its user, and in the `const` functions of that user, which is not changed. A function is known by its name
/// alone, so that some stay `const` without need; the macros of the crate count as such places too.
pub(crate) fn constant<'a>(
    own: impl Iterator<Item = &'a syn::File>,
    users: impl Iterator<Item = &'a syn::File>,
) -> BTreeSet<String> {
    let mut names = Names::default();
    for file in own {
        names.visit_file(file);
    }
    for file in users {
        names.user = true;
        names.visit_file(file);
    }
    // What a kept function calls is kept.
    loop {
        let more: BTreeSet<String> = names
            .functions
            .iter()
            .filter(|(name, _)| names.constant.contains(name))
            .flat_map(|(_, called)| called.iter().cloned())
            .filter(|name| !names.constant.contains(name))
            .collect();
        if more.is_empty() {
            return names.constant;
        }
        names.constant.extend(more);
    }
}

#[derive(Default)]
struct Names {
    constant: BTreeSet<String>,
    /// The `const` functions of the crate, with all names in their bodies.
    functions: Vec<(String, BTreeSet<String>)>,
    user: bool,
}

impl Names {
    fn take(&mut self, of: &impl ToTokens) {
        words(of.to_token_stream(), &mut self.constant);
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        if signature.constness.is_none() {
            return;
        }
        if self.user {
            self.take(block);
        } else {
            let mut called = BTreeSet::new();
            words(block.to_token_stream(), &mut called);
            self.functions.push((signature.ident.to_string(), called));
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.take(&item.expr);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.take(&item.expr);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.take(&item.expr);
    }

    fn visit_trait_item_const(&mut self, item: &'ast syn::TraitItemConst) {
        self.take(&item.default.as_ref().map(|(_, expr)| expr));
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.take(&variant.discriminant.as_ref().map(|(_, expr)| expr));
    }

    fn visit_type_array(&mut self, array: &'ast syn::TypeArray) {
        self.take(&array.len);
    }

    fn visit_expr_repeat(&mut self, repeated: &'ast syn::ExprRepeat) {
        self.take(&repeated.len);
        visit::visit_expr_repeat(self, repeated);
    }

    fn visit_expr_const(&mut self, block: &'ast syn::ExprConst) {
        self.take(&block.block);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        self.take(&item.mac.tokens);
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }
}

fn words(tokens: TokenStream, found: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                found.insert(name.to_string());
            }
            TokenTree::Group(group) => words(group.stream(), found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}
