//! What the catalog keeps to, and what a broken fixture is told.

use std::fs;

use giftgenius::policy::PaymentProfile;
use serde_json::{Value, json};

use super::{Fixture, FixtureError};
use crate::provider::Circumstance;
use crate::provider::testkit::{Shop, code};

fn shop() -> Shop {
    Shop::new(PaymentProfile::Stripe)
}

fn skus(products: &[Value]) -> Vec<&str> {
    products.iter().map(|product| product["sku"].as_str().expect("a SKU")).collect()
}

fn cart(items: &[(&str, u32)], currency: &str, promo_code: Option<&str>) -> Value {
    let items: Vec<_> = items.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
    json!({"items": items, "currency": currency, "promo_code": promo_code})
}

#[test]
fn the_embedded_fixture_is_the_folder_at_the_top() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");
    let loaded = Fixture::load(folder.as_ref()).expect("the fixture is sound");
    assert_eq!(loaded.products(), Fixture::embedded().products());
    assert!(loaded.products().len() > 400);
    assert_eq!(loaded.product("tea-set").expect("it is there").stock, 10);
    assert_eq!(loaded.product("unicorn"), None);
}

#[test]
fn a_search_tells_products_as_the_contract_has_them() {
    let found = shop().search("?text=tea+set&limit=1");
    assert_eq!(
        found[0],
        json!({
            "sku": "tea-set", "title": "Tea Set for Two",
            "description": "A stoneware pot, two cups and a tray, glazed by hand in celadon green.",
            "category": "food-and-drink",
            "tags": ["birthday", "wedding", "christmas", "housewarming", "mothers-day", "home", "tea"],
            "amount": 4200, "currency": "EUR", "in_stock": true,
        })
    );
}

#[test]
fn a_search_ranks_by_where_the_word_stands_and_then_by_sku() {
    let found = shop().search("?text=CANDLE&limit=100");
    assert!(skus(&found).contains(&"scented-candle"));
    let has = |part: &Value| part.to_string().to_lowercase().contains("candle");
    let rank = |product: &Value| {
        let place = match (has(&product["title"]), has(&product["tags"])) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        (place, product["sku"].to_string())
    };
    assert!(found.is_sorted_by_key(rank));
    assert!(found.iter().any(|product| rank(product).0 == 2));
}

#[test]
fn every_filter_narrows() {
    let mut shop = shop();
    let all = "?limit=100&category=kitchen";
    assert!(shop.search(all).iter().all(|product| product["category"] == "kitchen"));
    for (filter, keeps) in [
        ("occasion=wedding", "tags"),
        ("max_amount=3000", "amount"),
        ("recipient=baby", "sku"),
        ("currency=USD", "currency"),
    ] {
        let narrowed = shop.search(&format!("?limit=100&{filter}"));
        assert!(!narrowed.is_empty(), "{filter}");
        for product in &narrowed {
            let product_known = Fixture::embedded();
            let known = product_known.product(product["sku"].as_str().expect("a SKU")).expect("known");
            let kept = match keeps {
                "tags" => known.tags.contains(&"wedding".to_owned()),
                "amount" => product["amount"].as_i64() <= Some(3000),
                "currency" => product["currency"] == "USD",
                _ => known.recipients.contains(&"baby".to_owned()),
            };
            assert!(kept, "{filter}: {product}");
        }
    }
    assert_eq!(shop.search("").len(), 10);
    assert_eq!(shop.search("?currency=CHF").len(), 0);
    assert_eq!(shop.search("?currency=JPY").len(), 1);
    assert_eq!(shop.search("?text=zeppelin+xyzzy").len(), 0);
}

#[test]
fn an_unreadable_filter_is_refused() {
    let mut shop = shop();
    for query in ["?limit=ten", "?max_amount=1.5", "?currency=euro"] {
        let answer = shop.get(&crate::provider::operations::SEARCH, query);
        assert_eq!(code(&answer), (400, "invalid_request"), "{query}");
    }
}

#[test]
fn a_quote_adds_up() {
    let quote = shop().quote(&cart(&[("tea-set", 2), ("scented-candle", 1)], "EUR", None));
    assert_eq!(
        quote,
        (
            200,
            json!({
                "currency": "EUR",
                "lines": [
                    {"sku": "tea-set", "title": "Tea Set for Two", "quantity": 2, "unit_amount": 4200},
                    {"sku": "scented-candle", "title": "Scented Candle", "quantity": 1, "unit_amount": 2400},
                ],
                "discount": 0, "total": 10800,
            })
        )
    );
}

#[test]
fn promo_codes_take_off_what_they_say() {
    let mut shop = shop();
    for (code, currency, expected) in [
        ("WELCOME10", "EUR", Some(420)),
        (" welcome10 ", "EUR", Some(420)),
        ("WEDDING15", "USD", Some(690)),
        ("GIFT5", "USD", Some(550)),
        ("TEATIME3", "USD", None),
        ("EXPIRED20", "EUR", None),
        ("NONSENSE", "EUR", None),
    ] {
        let (status, body) = shop.quote(&cart(&[("tea-set", 1)], currency, Some(code)));
        match expected {
            Some(discount) => {
                assert_eq!((status, &body["discount"]), (200, &json!(discount)), "{code}");
                let price = if currency == "EUR" { 4200 } else { 4600 };
                assert_eq!(body["total"], price - discount);
            }
            None => assert_eq!((status, &body["error"]["code"]), (422, &json!("promo_invalid")), "{code}"),
        }
    }
}

#[test]
fn a_quote_is_refused_by_name() {
    let mut shop = shop();
    shop.providers.set_stock("desk-lamp", 1);
    let no_usd = Fixture::embedded();
    let no_usd = no_usd.products().iter().find(|product| product.prices.len() == 1).expect("one is sold in EUR only");
    for (items, currency, expected, sku) in [
        (&[("tea-set", 1), ("unicorn", 1)][..], "EUR", (404, "unknown_product"), Some("unicorn")),
        (&[("desk-lamp", 2)], "EUR", (409, "out_of_stock"), Some("desk-lamp")),
        (&[(&*no_usd.sku, 1)], "USD", (422, "currency_unsupported"), None),
        (&[], "EUR", (400, "invalid_request"), None),
        (&[("tea-set", 0)], "EUR", (400, "invalid_request"), None),
    ] {
        let answer = shop.quote(&cart(items, currency, None));
        assert_eq!(code(&answer), expected);
        assert_eq!(answer.1["error"]["sku"].as_str(), sku);
    }
}

#[test]
fn a_stale_quote_tells_yesterdays_price_throughout_and_yesterdays_shelf() {
    let mut shop = shop();
    shop.providers.set_stock("tea-set", 0);
    let (status, body) = shop.under(Circumstance::Stale).quote(&cart(&[("tea-set", 2)], "EUR", None));
    assert_eq!(status, 200);
    assert_eq!(body["lines"][0]["unit_amount"], 3700);
    assert_eq!(body["total"], 7400);
    assert_eq!(shop.quote(&cart(&[("tea-set", 2)], "EUR", None)).0, 409);
}

#[test]
fn a_stale_search_tells_everything_in_stock_at_yesterdays_price() {
    let mut shop = shop();
    shop.providers.set_stock("tea-set", 0);
    let old = &shop.under(Circumstance::Stale).search("?text=tea+set&limit=1")[0];
    assert_eq!((&old["in_stock"], &old["amount"]), (&json!(true), &json!(3700)));
    let new = &shop.search("?text=tea+set&limit=1")[0];
    assert_eq!((&new["in_stock"], &new["amount"]), (&json!(false), &json!(4200)));
}

#[test]
fn yesterdays_price_is_another_for_every_product() {
    let fixture = Fixture::embedded();
    for price in fixture.products().iter().flat_map(|product| product.prices.values()).chain(&[1, 99, 100, 111]) {
        let old = super::Told::Yesterday.price(*price);
        assert!(old > 0 && old != *price, "{price}");
    }
}

#[test]
fn the_first_item_is_out_of_stock_when_the_shelf_is_said_to_be_empty() {
    let body = cart(&[("tea-set", 1), ("desk-lamp", 1)], "EUR", None);
    let answer = shop().under(Circumstance::OutOfStock).quote(&body);
    assert_eq!(code(&answer), (409, "out_of_stock"));
    assert_eq!(answer.1["error"]["sku"], "tea-set");
}

#[test]
fn a_broken_fixture_is_told_where_and_what_to_do() {
    let good = r#"{"sku": "a", "title": "A", "description": "", "category": "c", "tags": [], "recipients": [], "prices": {"EUR": 1}, "stock": 1}"#;
    let promo = r#"{"code": "P", "description": "", "percent_off": 10, "valid_until": null}"#;
    for (products, promo_codes, expected) in [
        (
            "{\"products\": [\n{}]}".to_owned(),
            String::new(),
            "catalog.json:2:2: missing field `sku`; correct the entry there",
        ),
        (
            good.replace("\"stock\": 1", "\"stock\": -1"),
            String::new(),
            "invalid value: integer `-1`, expected u32; correct",
        ),
        (good.replace("\"stock\"", "\"stocks\""), String::new(), "unknown field `stocks`"),
        (format!("{good},\n{good}"), String::new(), "catalog.json:2: SKU `a` stands twice: rename or remove"),
        (good.replace("\"EUR\": 1", ""), String::new(), "product `a` has no price: give it one"),
        (good.replace("\"EUR\": 1", "\"EUR\": 0"), String::new(), "product `a` costs 0 in EUR: a price is above 0"),
        (good.replace("\"a\"", "\"A b\""), String::new(), "SKU `A b` must be lower-case letters"),
        (good.to_owned(), promo.replace("10", "100"), "promo code `P` takes off nothing that can be told: give it"),
        (good.to_owned(), promo.replace("\"percent_off\": 10,", ""), "promo_codes.json:1: promo code `P`"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let whole = |name: &str, list: &str| {
            if list.starts_with("{\"products") { list.to_owned() } else { format!("{{\"{name}\": [{list}]}}") }
        };
        fs::write(folder.path().join("catalog.json"), whole("products", &products)).expect("written");
        fs::write(folder.path().join("promo_codes.json"), whole("promo_codes", &promo_codes)).expect("written");
        let error = Fixture::load(folder.path()).expect_err("it is broken").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_missing_fixture_is_told_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Fixture::load(folder.path()).expect_err("nothing is there");
    assert!(matches!(error, FixtureError::Unreadable { .. }));
    assert!(error.to_string().starts_with("cannot read "), "{error}");
    assert!(error.to_string().contains("catalog.json"), "{error}");
}

#[test]
fn a_price_that_goes_up_stays_up_and_yesterdays_is_yesterdays() {
    let mut shop = shop();
    let total = |reply: (u16, Value)| reply.1["total"].as_i64().expect("a number");
    let one = cart(&[("tea-set", 1)], "EUR", None);
    assert_eq!(total(shop.quote(&one)), 4200);
    assert_eq!(total(shop.under(Circumstance::PriceChanged).quote(&one)), 4600);
    assert_eq!(total(shop.quote(&one)), 4600);
    assert_eq!(shop.search("?text=tea+set&limit=1")[0]["amount"], 4600);
    assert!(total(shop.under(Circumstance::Stale).quote(&one)) < 4600);
}
