//! Words that a model repairs its call from: which argument is wrong, what stands there, and that a field may be left out.

use giftgenius::policy::PaymentProfile::Stripe;
use serde_json::{Value, json};

use crate::shop::Fault;
use crate::world::{World, said};

#[tokio::test(start_paused = true)]
async fn the_product_that_the_catalog_does_not_know_is_named_by_its_place() {
    let unknown = |sku: &'static str| match sku {
        "Desk-Lamp" => r#"{"error":{"code":"unknown_product","sku":"Desk-Lamp","message":"free text"}}"#,
        "desk-lampp" => r#"{"error":{"code":"unknown_product","sku":"desk-lampp","message":"free text"}}"#,
        "never-asked" => r#"{"error":{"code":"unknown_product","sku":"never-asked","message":"free text"}}"#,
        _ => r#"{"error":{"code":"unknown_product","message":"free text"}}"#,
    };
    for (told, asked, field, received) in [
        ("Desk-Lamp", "Desk-Lamp", "/items/1/sku", json!("Desk-Lamp")),
        ("desk-lampp", "desk-lampp", "/items/1/sku", json!("desk-lampp")),
        // What no item of the call is, and nothing at all: the place is all of them.
        ("never-asked", "desk-lamp", "/items", Value::Null),
        ("", "desk-lamp", "/items", Value::Null),
    ] {
        let world = World::new(Stripe);
        world.shop.script("catalog.quote", &[Fault::Between(404, unknown(told))]);
        let items = json!([{"sku": "tea-set", "quantity": 1}, {"sku": asked, "quantity": 1}]);
        let life = world.start();
        let reply = life.call("create_checkout_session", json!({"items": items, "currency": "EUR"})).await;
        assert_eq!(said(&reply), "PRODUCT_NOT_FOUND", "{}", reply.structured);
        let error = &reply.structured["error"];
        let violation = &error["violations"][0];
        assert_eq!(violation["field"], field, "{error}");
        assert_eq!(violation["error_type"], "unknown_id", "{error}");
        assert!(violation["expected"].as_str().unwrap().contains("search_products"), "{error}");
        if received.is_null() {
            assert!(!error.to_string().contains("never-asked"), "what the call did not name is not passed on: {error}");
        } else {
            assert_eq!(violation["received"], received.to_string(), "as JSON: {error}");
        }
        assert!(!error.to_string().contains("free text"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_workflow_may_be_left_out_where_a_call_can_begin_one_and_nowhere_else() {
    let world = World::new(Stripe);
    let life = world.start();
    let items = json!([{"sku": "tea-set", "quantity": 1}]);
    for id in ["null", "none", "wf_there_is_none"] {
        for (tool, arguments, begins) in [
            ("create_checkout_session", json!({"items": items, "currency": "EUR", "workflow_id": id}), true),
            ("suggest_gifts", json!({"occasion": "birthday", "workflow_id": id}), true),
            ("get_workflow", json!({ "workflow_id": id }), false),
            ("user_navigated_to_step", json!({"workflow_id": id, "step": "choose_gift"}), false),
        ] {
            let reply = life.call(tool, arguments).await;
            assert_eq!(said(&reply), "WORKFLOW_NOT_FOUND", "{tool}: {}", reply.structured);
            let error = &reply.structured["error"];
            let violation = &error["violations"][0];
            assert_eq!(
                (&violation["field"], &violation["received"]),
                (&json!("/workflow_id"), &json!(format!("\"{id}\""))),
                "{error}"
            );
            let may_be_left_out = error["message"].as_str().unwrap().contains("leave the field out");
            let says_so_there = violation["expected"].as_str().unwrap().contains("or no such field");
            assert_eq!((may_be_left_out, says_so_there), (begins, begins), "{tool}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_optional_field_with_nothing_in_it_may_be_left_out() {
    let world = World::new(Stripe);
    let life = world.start();
    let items = json!([{"sku": "tea-set", "quantity": 1}]);
    for (field, value) in [("promo_code", json!("")), ("workflow_id", json!("")), ("budget", json!("null"))] {
        let mut arguments = json!({"items": items, "currency": "EUR"});
        arguments[field] = value;
        let reply = life.call("create_checkout_session", arguments).await;
        assert_eq!(said(&reply), "INVALID_ARGUMENTS", "{field}: {}", reply.structured);
        let violation = &reply.structured["error"]["violations"][0];
        assert_eq!(violation["field"], format!("/{field}"));
        let expected = violation["expected"].as_str().unwrap();
        assert!(expected.contains("leave the field out"), "{field}: {expected}");
    }
}
