//! A field has another name: in another case, with a slip, by a synonym; or there is one that the tool does not have.

use serde_json::{Value, json};

use super::fields::Field;
use super::maker::{Maker, SCHEMA_TAKES_IT};
use super::{Class, Expected, Remedy, label, pointer, schema};

const CLASS: Class = Class::Name;

/// Words that callers of any tool use for a field of this name, or of a name that ends so.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("amount", &["price", "value"]),
    ("budget", &["max_price"]),
    ("category", &["department"]),
    ("city", &["town"]),
    ("currency", &["currency_code"]),
    ("description", &["text"]),
    ("email", &["mail"]),
    ("id", &["identifier"]),
    ("items", &["products", "line_items"]),
    ("limit", &["max_results", "count"]),
    ("name", &["title"]),
    ("occasion", &["event"]),
    ("path", &["file", "filename"]),
    ("promo_code", &["coupon"]),
    ("quantity", &["qty", "count"]),
    ("query", &["q", "search"]),
    ("recipient", &["person"]),
    ("sku", &["product_id"]),
    ("step", &["page"]),
    ("url", &["link"]),
];

/// Fields that models add because other tools have them.
fn invented() -> [(&'static str, Value); 3] {
    [("notes", json!("as a present, please")), ("confirm", json!(true)), ("metadata", json!({}))]
}

pub(super) fn make(maker: &mut Maker<'_>) {
    for field in maker.each_field(CLASS).iter().filter(|field| !field.is_item) {
        for (variant, name) in other_names(&field.name) {
            rename(maker, field, &variant, &name);
        }
    }
    let mut objects: Vec<String> = vec![String::new()];
    let fields = maker.each_field(CLASS);
    objects.extend(fields.iter().filter(|field| field.value.is_object()).map(|field| field.at.clone()));
    for object in objects {
        for (name, value) in invented() {
            let place = pointer::below(&object, name);
            if schema::at(maker.tool.schema, &place).is_some() {
                continue;
            }
            maker.change(
                (CLASS, &object, &format!("extra_{name}")),
                |valid| pointer::with(valid, &place, value),
                || vec![place.clone()],
                Expected::Accepted(SCHEMA_TAKES_IT),
                Remedy::Restored,
            );
        }
    }
}

fn rename(maker: &mut Maker<'_>, field: &Field<'_>, variant: &str, name: &str) {
    let place = pointer::below(&field.parent, name);
    if maker.valid.pointer(&place).is_some() || schema::at(maker.tool.schema, &place).is_some() {
        return;
    }
    maker.change(
        (CLASS, &field.at, variant),
        |valid| pointer::with(&pointer::without(valid, &field.at), &place, field.value.clone()),
        || vec![place.clone()],
        Expected::Accepted(SCHEMA_TAKES_IT),
        Remedy::Restored,
    );
}

/// What a name becomes in the hands of a caller who remembers it roughly.
fn other_names(name: &str) -> Vec<(String, String)> {
    let mut names: Vec<(String, String)> =
        cases(name).into_iter().chain(typos(name)).map(|(variant, name)| (variant.to_owned(), name)).collect();
    let synonyms = SYNONYMS.iter().filter(|(known, _)| *known == name).flat_map(|(_, words)| *words);
    for word in synonyms {
        names.push((format!("as_{}", label::word(word)), (*word).to_owned()));
        let camel = cases(word).into_iter().find(|(case, _)| *case == "camel_case");
        names.extend(camel.map(|(case, name)| (format!("as_{}_in_{case}", label::word(word)), name)));
    }
    // The last part is what it is for: `checkout_session_id` is spoken of as `session_id`, `session`,
    // `checkout_session`.
    if let Some(short) = name.strip_suffix("_id").filter(|short| !short.is_empty()) {
        names.push((String::from("without_id"), short.to_owned()));
        names.push((String::from("only_id"), String::from("id")));
    }
    names
}

/// The same name in other cases.
pub(super) fn cases(name: &str) -> Vec<(&'static str, String)> {
    let words: Vec<&str> = name.split(['_', '-']).filter(|word| !word.is_empty()).collect();
    let capital = |word: &&str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    let pascal: String = words.iter().map(capital).collect();
    let camel = words
        .first()
        .map_or_else(String::new, |first| (*first).to_owned() + &words[1..].iter().map(capital).collect::<String>());
    let mut all = vec![("upper_case", name.to_uppercase()), ("pascal_case", pascal)];
    if words.len() > 1 {
        all.extend([
            ("camel_case", camel),
            ("kebab_case", words.join("-")),
            ("spaced", words.join(" ")),
            ("joined", words.concat()),
        ]);
    }
    all.retain(|(_, other)| other != name);
    all
}

/// The same name with a slip of the pen.
pub(super) fn typos(name: &str) -> Vec<(&'static str, String)> {
    let letters: Vec<char> = name.chars().collect();
    // Of a name this short a slip leaves nothing to know it by.
    if letters.len() < 4 {
        return Vec::new();
    }
    let middle = letters.len() / 2;
    let mut dropped = letters.clone();
    dropped.remove(middle);
    let mut doubled = letters.clone();
    doubled.insert(middle, letters[middle]);
    let mut swapped = letters.clone();
    swapped.swap(middle - 1, middle);
    let plural = name.strip_suffix('s').map_or_else(|| format!("{name}s"), str::to_owned);
    let mut all = vec![
        ("letter_dropped", dropped.into_iter().collect()),
        ("letter_doubled", doubled.into_iter().collect()),
        ("letters_swapped", swapped.into_iter().collect::<String>()),
        ("plural", plural),
    ];
    all.retain(|(_, other)| other != name);
    all
}
