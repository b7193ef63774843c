//! What goes wrong: services that crash between any two steps, and a Redis that nobody can rely on.

use crate::invariants::SKEW_MS;
use crate::run::Run;
use crate::world::{Faults, Service, World};

impl Run {
    pub(crate) fn break_something(&mut self) {
        let crashed = {
            let mut world = self.shared.world.borrow_mut();
            let faults = world.faults;
            if world.chance.one_in(faults.redis) {
                world.trouble_redis();
            }
            let up = world.up();
            let crashes = !up.is_empty() && world.chance.one_in(faults.crash);
            crashes.then(|| world.chance.of(&up))
        };
        if let Some(at) = crashed {
            self.crash(at);
        }
    }

    fn crash(&mut self, at: usize) {
        self.machines.retain(|machine| machine.process.service != Some(at));
        let mut world = self.shared.world.borrow_mut();
        world.services[at] = Service::default();
        world.note(|| format!("service {at} crashes"));
        world.invariants.fault_ms = world.now_ms;
        let back_ms = world.now_ms + world.chance.between(100, 2_500);
        self.restarts.push((back_ms, at));
        for watcher in self.watchers.iter_mut().filter(|watcher| **watcher == Some(at)) {
            *watcher = None;
        }
    }

    pub(crate) fn restart(&mut self) {
        let now_ms = {
            let world = self.shared.world.borrow();
            if world.faults_are_over { i64::MAX } else { world.now_ms }
        };
        while let Some(at) = self.restarts.iter().position(|(back_ms, _)| *back_ms <= now_ms) {
            let (_, service) = self.restarts.swap_remove(at);
            self.shared.world.borrow_mut().note(|| format!("service {service} is back"));
            self.start_service(service);
        }
    }
}

impl World {
    pub(crate) fn is_up(&mut self, at: usize) {
        if self.up().is_empty() {
            self.invariants.sweeper_failed(self.now_ms);
        }
        self.services[at].up = true;
    }

    /// Nobody comes any more, and nothing breaks.
    pub(crate) fn close_the_doors(&mut self) {
        self.note(|| "the doors close".to_owned());
        self.faults_are_over = true;
        self.faults = Faults::NONE;
        self.redis.away = false;
        self.redis.offset_ms = 0;
        self.invariants.fault_ms = self.now_ms;
    }

    fn trouble_redis(&mut self) {
        self.invariants.fault_ms = self.now_ms;
        match self.chance.below(5) {
            0 => {
                self.redis.emptied();
                self.note(|| "redis is emptied".to_owned());
            }
            1 => {
                self.redis.offset_ms = self.chance.between(-SKEW_MS / 2, SKEW_MS / 2);
                self.note(|| "redis' clock moves".to_owned());
            }
            2 => {
                self.redis.away = true;
                self.note(|| "redis is away".to_owned());
            }
            _ => {
                self.redis.away = false;
                self.note(|| "redis is there".to_owned());
            }
        }
    }
}
