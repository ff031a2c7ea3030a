//! A run that is asked to stop in the middle of a transaction.

use super::{
    World,
    scenes::{in_flight, scene},
};
use crate::publish::{mailbox::Mail, publisher::Step};
use std::time::Duration;

impl World {
    /// Leaves with this much time for what is under way.
    fn leave(&mut self, within: Duration) {
        let mut stop = Mail {
            stop_within: Some(within),
            ..Mail::default()
        };
        for _ in 0..20_000 {
            let relay = &mut self.relays[0];
            match relay.publisher.step(relay.now, stop).unwrap() {
                Step::Stop => break,
                Step::Wait(wake) => {
                    if !self.kafka.lock().unwrap().owes(relay.process) {
                        relay.now = relay.now.max(wake.unwrap_or_default());
                    }
                }
            }
            relay.now += Duration::from_millis(1);
            stop = self.mail();
        }
        let relay = &mut self.relays[0];
        relay.publisher.close(relay.now).unwrap();
        let begin = relay.now;
        for _ in 0..20_000 {
            let mail = self.mail();
            let relay = &mut self.relays[0];
            let Some(until) = relay.publisher.closing(relay.now, mail).unwrap() else {
                break;
            };
            relay.now += Duration::from_millis(1);
            if !self.kafka.lock().unwrap().owes(relay.process) {
                relay.now = relay.now.max(until);
            }
        }
        let took = self.relays[0].now - begin;
        assert!(took <= Duration::from_secs(4), "{took:?}");
    }
}

#[test]
fn what_is_open_at_the_end_is_committed_if_it_can_be() {
    let mut world = scene(1);
    world.accept(30);
    world.until("it is under way", |relay| in_flight(relay) == 30);
    assert_eq!(world.committed_now(), 0);
    world.leave(Duration::from_secs(10));
    assert_eq!(world.committed_now(), 30);
    assert_eq!(world.relay().publisher.left().records, 0);
}

#[test]
fn what_is_not_done_in_time_is_aborted() {
    let mut world = scene(1);
    world.accept(30);
    world.until("it is under way", |relay| in_flight(relay) == 30);
    world.kafka(|kafka| kafka.silent.extend(["a", "b"]));
    world.leave(Duration::from_millis(200));
    assert_eq!(world.committed_now(), 0);
    assert!(
        world.kafka.lock().unwrap().aborted > 0,
        "it was left to the coordinator"
    );
    goes_on_after(world);
}

#[test]
fn what_can_not_be_aborted_is_left_to_the_coordinator() {
    let mut world = scene(1);
    world.accept(30);
    world.until("it is under way", |relay| in_flight(relay) == 30);
    world.kafka(|kafka| kafka.down = true);
    world.leave(Duration::from_millis(200));
    assert_eq!(world.committed_now(), 0);
    assert_eq!(world.kafka.lock().unwrap().aborted, 0);
    goes_on_after(world);
}

/// The next run publishes what the last one left, once.
fn goes_on_after(mut world: World) {
    world.heal();
    world.kafka(|kafka| kafka.silent.clear());
    world.restart(0);
    world.finish();
    world.check();
}
