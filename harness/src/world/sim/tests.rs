//! A world leaves nothing behind: exploration runs hundreds of thousands of them in one process.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use futures_util::FutureExt as _;
use giftgenius::journal::{Batch, Key, RecordState};
use giftgenius::ports::{Purpose, Tasks as _};

use super::SimWorld;
use super::fuel::USES_MAX;
use super::life::House;
use crate::choice::Choices;
use crate::fault::plan::Plan;
use crate::scenario::{Known, parse};
use crate::watchdog::Seat;
use crate::world::World as _;

/// What is left of a world in which something was done, once it and its runtime are gone.
fn left_of(act: impl AsyncFnOnce(&SimWorld)) -> Weak<House> {
    let text = "title = \"T\"\nlesson = \"L.\"\n[[script]]\ncall = \"get_order\"\n";
    let scenario = parse(text, "a/b", "a/b.toml".as_ref(), &Known::default())
        .unwrap_or_else(|error| panic!("{}", error.render(false)));
    let (runtime, standing) = super::runtime();
    runtime.block_on(async {
        let world = SimWorld::start(&scenario, Choices::replay(Plan::default()), 1, None, standing, Seat::unwatched());
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
fn every_port_takes_fuel_and_none_goes_on_without() {
    left_of(async |world| {
        let life = world.house.life(0).await;
        let ports = life.app.ports();
        let taken = |act: &dyn Fn()| {
            let before = world.fuel().taken();
            act();
            world.fuel().taken() - before
        };
        let answered = |asked: bool| assert!(asked, "with fuel it is answered at once");
        assert_eq!(taken(&|| answered(ports.journal.get(&Key::Switches).now_or_never().is_some())), 1);
        assert_eq!(taken(&|| answered(ports.journal.commit(Batch::default()).now_or_never().is_some())), 1);
        assert_eq!(taken(&|| answered(ports.journal.list(RecordState::OrderOpen).now_or_never().is_some())), 1);
        assert_eq!(taken(&|| answered(ports.journal.probe().now_or_never().is_some())), 1);
        assert_eq!(taken(&|| _ = ports.clock.now()), 1);
        assert_eq!(taken(&|| _ = ports.clock.instant()), 1);
        assert_eq!(taken(&|| assert_ne!(ports.entropy.next(Purpose::Id), 0)), 1);
        assert_eq!(taken(&|| life.tasks.spawn("work", Box::pin(pending()))), 1);
        while ports.journal.get(&Key::Switches).now_or_never().is_some() {}
        assert_eq!(world.fuel().taken(), USES_MAX);
        let panics = |act: &dyn Fn()| catch_unwind(AssertUnwindSafe(act)).is_err();
        assert!(panics(&|| _ = ports.clock.now()), "what cannot wait panics");
        assert!(panics(&|| life.tasks.spawn("more", Box::pin(pending()))));
        assert!(ports.journal.commit(Batch::default()).now_or_never().is_none());
    });
}
