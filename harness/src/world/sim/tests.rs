//! A world leaves nothing behind, and has an end: exploration runs hundreds of thousands of them in one process.

use std::sync::{Arc, Weak};

use futures_util::FutureExt as _;
use giftgenius::journal::Key;
use giftgenius::ports::Tasks as _;

use super::SimWorld;
use super::journal::READS_MAX;
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

#[test]
fn a_process_that_reads_in_a_circle_is_stopped_and_its_successor_reads_again() {
    left_of(async |world| {
        for _life in 0..2 {
            let life = world.house.life(0).await;
            let journal = &life.app.ports().journal;
            let reads = (0..=READS_MAX).take_while(|_| journal.get(&Key::Switches).now_or_never().is_some()).count();
            // A process that takes over has read already.
            assert!((READS_MAX as usize - 100..=READS_MAX as usize).contains(&reads), "{reads} reads");
            let listed = journal.list(giftgenius::journal::RecordState::OrderOpen);
            assert!(listed.now_or_never().is_none(), "it reads nothing any more");
            life.tasks.spawn("a call that turns in a circle", Box::pin(std::future::pending()));
            world.rest().await.expect("what was stopped is waited for, and not for ever");
            world.house.crash_replica(0);
        }
    });
}
