//! Names that callers use for a field, and the field they mean.

use serde_json::Value;

/// Words that callers use for a field, by the field's published name. A tool that does not have the field is not
/// concerned.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("budget", &["max_price", "price_max", "max_amount", "max_budget", "price_limit", "amount_max", "limit_amount"]),
    ("category", &["shelf", "department", "kind"]),
    ("checkout_session_id", &["session_id", "session", "checkout_id", "checkout", "checkout_session", "cs_id"]),
    ("currency", &["currency_code", "curr", "iso_currency"]),
    ("idempotency_key", &["key", "idempotency", "idem_key", "request_id", "idempotency_token"]),
    ("interests", &["hobbies", "likes", "tags", "keywords"]),
    ("items", &["products", "line_items", "cart", "lines", "gifts", "basket"]),
    ("limit", &["max_results", "count", "top", "n", "page_size", "max_items"]),
    ("occasion", &["event", "purpose"]),
    ("order_id", &["order", "id", "order_number"]),
    ("payment_method_id", &["payment_method", "payment", "card", "card_id", "pm", "pm_id", "method"]),
    ("promo_code", &["promo", "coupon", "coupon_code", "voucher", "discount_code", "code"]),
    ("quantity", &["qty", "count", "amount", "number", "units", "pieces"]),
    ("query", &["q", "search", "text", "keywords", "term", "search_term"]),
    ("recipient", &["person", "for", "receiver", "who"]),
    ("sku", &["product_id", "product", "item_id", "item", "id", "article", "product_sku"]),
    ("step", &["to", "target", "page", "step_id", "to_step", "target_step"]),
    ("workflow_id", &["workflow", "wf", "wf_id", "conversation_id"]),
];

/// The fields of a schema, and where they stand.
pub(super) struct Names {
    /// Pointers with `0` for any index: `/items/0/sku`, the outermost first.
    places: Vec<(String, String)>,
}

impl Names {
    pub(super) fn of(schema: &Value) -> Self {
        let mut places = Vec::new();
        let mut level = vec![(String::new(), schema)];
        while !level.is_empty() {
            let mut next = Vec::new();
            for (at, rule) in level {
                for (name, field) in rule.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    let place = format!("{at}/{}", escape(name));
                    places.push((name.clone(), place.clone()));
                    next.push((place, field));
                }
                if let Some(items) = rule.get("items") {
                    next.push((format!("{at}/0"), items));
                }
            }
            level = next;
        }
        Self { places }
    }

    /// Where a field of this name stands, if the schema has one.
    pub(super) fn place(&self, name: &str) -> Option<&str> {
        let wanted = snake(name);
        self.places.iter().find(|(known, _)| *known == wanted).map(|(_, place)| place.as_str())
    }
}

/// The names that an object's schema knows, sorted.
pub(super) fn properties(rule: &Value) -> Vec<String> {
    let mut names: Vec<String> = rule
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// The types that a schema takes, `null` left out: a value is never advised to be that.
pub(super) fn types(rule: &Value) -> Vec<&str> {
    let kinds: Vec<&str> = match rule.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(kind)) => vec![kind],
        _ => Vec::new(),
    };
    kinds.into_iter().filter(|kind| *kind != "null").collect()
}

/// The nearest known name, if it is near enough to have been meant.
pub fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let wanted = snake(name);
    // A name without end is no slip of the pen, and comparing it would cost its length.
    if wanted.len() > 80 {
        return None;
    }
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &snake(candidate)), candidate.as_str()))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The known name that callers mean by `name`: the same in another case, a synonym, or the nearest.
pub(super) fn meant<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let wanted = snake(name);
    let find = |name: &str| known.iter().find(|known| *known == name).map(String::as_str);
    let synonym =
        || SYNONYMS.iter().filter(|(_, words)| words.contains(&wanted.as_str())).find_map(|(field, _)| find(field));
    // `id`, where one identifier is asked for.
    let only_id = || {
        let mut ids = known.iter().filter(|known| known.ends_with("_id"));
        ids.next().filter(|_| wanted == "id" && ids.next().is_none()).map(String::as_str)
    };
    known
        .iter()
        .find(|known| snake(known) == wanted)
        .map(String::as_str)
        .or_else(synonym)
        .or_else(only_id)
        .or_else(|| nearest(name, known))
}

/// `checkoutSessionId`, `Checkout-Session ID` → `checkout_session_id`.
pub(super) fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for c in name.trim().chars() {
        if matches!(c, '-' | ' ' | '.' | '_') {
            if !out.ends_with('_') {
                out.push('_');
            }
            after_lower = false;
            continue;
        }
        if c.is_uppercase() && after_lower {
            out.push('_');
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
        out.extend(c.to_lowercase());
    }
    out
}

/// A name as a token of a JSON pointer (RFC 6901 §3).
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_name_in_another_case_is_the_same_name() {
        for name in ["checkoutSessionId", "CHECKOUT_SESSION_ID", "Checkout-Session-Id", "checkout session id"] {
            assert_eq!(snake(name), "checkout_session_id", "{name}");
        }
    }

    #[test]
    fn a_synonym_is_known_only_where_its_field_is() {
        assert_eq!(meant("qty", &known(&["sku", "quantity"])), Some("quantity"));
        assert_eq!(meant("count", &known(&["query", "limit"])), Some("limit"));
        assert_eq!(meant("coupon", &known(&["query", "limit"])), None);
        assert_eq!(meant("id", &known(&["step", "workflow_id"])), Some("workflow_id"));
        assert_eq!(meant("id", &known(&["payment_method_id", "workflow_id"])), None, "it may be either");
    }

    #[test]
    fn a_slip_is_mended_and_a_stranger_is_not() {
        let fields = known(&["items", "currency", "promo_code"]);
        assert_eq!(meant("curency", &fields), Some("currency"));
        assert_eq!(meant("PromoCode", &fields), Some("promo_code"));
        assert_eq!(meant("gift_wrap", &fields), None);
        assert_eq!(nearest(&"x".repeat(100_000), &fields), None);
    }

    #[test]
    fn no_word_means_two_fields_of_one_tool() {
        for tool in crate::tools::table() {
            let fields = properties(&tool.spec.input_schema);
            for (field, words) in SYNONYMS.iter().filter(|(field, _)| fields.iter().any(|known| known == field)) {
                for word in *words {
                    assert_eq!(meant(word, &fields), Some(*field), "{} {word}", tool.spec.name);
                }
            }
        }
    }
}
