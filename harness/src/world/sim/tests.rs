//! A world leaves nothing behind: exploration runs hundreds of thousands of them in one process.

use std::sync::{Arc, Weak};

use super::SimWorld;
use super::life::House;
use crate::choice::Choices;
use crate::fault::plan::Plan;
use crate::scenario::{Known, parse};
use crate::world::World as _;

/// What is left of a world in which something was done, once it and its runtime are gone.
fn left_of(act: impl AsyncFnOnce(&SimWorld)) -> Weak<House> {
    let text = "title = \"T\"\nlesson = \"L.\"\n[[script]]\ncall = \"get_order\"\n";
    let scenario = parse(text, "a/b", "a/b.toml".as_ref(), &Known::default())
        .unwrap_or_else(|error| panic!("{}", error.render(false)));
    let (runtime, standing) = super::runtime();
    runtime.block_on(async {
        let world = SimWorld::start(&scenario, Choices::replay(Plan::default()), 1, None, standing);
        act(&world).await;
        Arc::downgrade(&world.house)
    })
}

#[test]
fn a_world_at_rest_is_freed() {
    let house = left_of(async |world| world.rest().await.unwrap());
    assert!(house.upgrade().is_none());
}

#[test]
fn a_world_that_is_let_go_of_while_its_system_is_dead_is_freed() {
    let house = left_of(async |world| world.house.crash_replica(0));
    assert!(house.upgrade().is_none());
}
