//! The saboteur on the way to Postgres: it can be told, while the fleet runs, to change what is said there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use drill::faults::link::Rewriter;

use crate::wire::{Listener, Wire};

/// Statements that one order changes.
const STATEMENTS_MAX: usize = 4;

/// What is done to statements.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sabotage {
    /// Each of these statements is changed, wherever it is said.
    Rewrite(&'static [Statement]),
    /// Of transactions that run a statement with `after` in it, every so-and-so-many-th is rolled back when it is to be
    /// committed.
    RollBack { after: &'static str, every: u64 },
}

/// Statements that contain `within`, and what of them is changed to what stands beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    pub(crate) within: &'static str,
    pub(crate) changes: &'static [(&'static str, &'static str)],
}

impl Statement {
    fn fits(&self, sql: &str) -> bool {
        sql.contains(self.within) && self.changes.iter().all(|(from, _)| sql.contains(from))
    }
}

/// One saboteur, on all connections. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Saboteur(Arc<Orders>);

#[derive(Debug, Default)]
struct Orders {
    present: Mutex<Option<Sabotage>>,
    /// How often there was something to do, and it was done: by statement, where there are several.
    done: [AtomicU64; STATEMENTS_MAX],
    /// Transactions that might have been rolled back.
    chances: AtomicU64,
}

impl Saboteur {
    /// From now on it does this, and has not yet done anything.
    pub(crate) fn order(&self, sabotage: Option<Sabotage>) {
        *self.0.present.lock().unwrap_or_else(PoisonError::into_inner) = sabotage;
        self.0.done.iter().for_each(|done| done.store(0, Ordering::Relaxed));
    }

    /// How often it did what it was told: that part of it which it did least often.
    pub(crate) fn done(&self) -> u64 {
        let present = *self.0.present.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = match present {
            None => 0,
            Some(Sabotage::Rewrite(statements)) => statements.len(),
            Some(Sabotage::RollBack { .. }) => 1,
        };
        self.0.done[..parts].iter().map(|done| done.load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    /// Its ear on a new connection.
    pub(crate) fn rewriter(&self) -> Rewriter {
        let mut wire = Wire::new(Ear { orders: Arc::clone(&self.0), names: HashMap::new(), chance: false });
        Box::new(move |chunk| wire.carry(chunk))
    }
}

/// One connection.
struct Ear {
    orders: Arc<Orders>,
    /// What was prepared here, as the client said it.
    names: HashMap<String, String>,
    /// The present transaction may be rolled back.
    chance: bool,
}

impl Ear {
    fn present(&self) -> Option<Sabotage> {
        *self.orders.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_done(&self, part: usize) {
        self.orders.done[part].fetch_add(1, Ordering::Relaxed);
    }

    fn rewritten(&self, sql: &str) -> Option<String> {
        let Some(Sabotage::Rewrite(statements)) = self.present() else { return None };
        let part = statements.iter().position(|statement| statement.fits(sql))?;
        self.note_done(part);
        let changes = statements[part].changes.iter();
        Some(changes.fold(sql.to_owned(), |sql, (from, to)| sql.replace(from, to)))
    }

    fn rolled_back(&mut self, sql: &str) -> Option<String> {
        let chance = self.chance;
        if sql.starts_with("COMMIT") || sql.starts_with("ROLLBACK") || sql.starts_with("BEGIN") {
            self.chance = false;
        }
        let Some(Sabotage::RollBack { every, .. }) = self.present() else { return None };
        if !chance || !sql.starts_with("COMMIT") {
            return None;
        }
        let chances = self.orders.chances.fetch_add(1, Ordering::Relaxed);
        chances.is_multiple_of(every).then(|| {
            self.note_done(0);
            "ROLLBACK".to_owned()
        })
    }
}

impl Listener for Ear {
    fn statement(&mut self, name: Option<&str>, sql: &str) -> Option<String> {
        if let Some(name) = name {
            self.names.insert(name.to_owned(), sql.to_owned());
            return self.rewritten(sql);
        }
        self.rolled_back(sql).or_else(|| self.rewritten(sql))
    }

    fn runs(&mut self, name: &str) {
        if let Some(Sabotage::RollBack { after, .. }) = self.present() {
            self.chance |= self.names.get(name).is_some_and(|sql| sql.contains(after));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ear(saboteur: &Saboteur) -> Ear {
        Ear { orders: Arc::clone(&saboteur.0), names: HashMap::new(), chance: false }
    }

    #[test]
    fn only_what_is_ordered_is_done_and_only_where_all_of_it_fits() {
        let saboteur = Saboteur::default();
        let mut ear = ear(&saboteur);
        assert_eq!(ear.statement(Some("s1"), "SELECT FROM seats WHERE token = 1"), None);
        saboteur.order(Some(Sabotage::Rewrite(&[
            Statement { within: "seats", changes: &[("token = 1", "true")] },
            Statement { within: "UPDATE", changes: &[("WHERE", "WHERE true OR")] },
        ])));
        assert_eq!(ear.statement(Some("s2"), "SELECT FROM shows WHERE token = 1"), None);
        assert_eq!(ear.statement(Some("s3"), "SELECT FROM seats WHERE true"), None);
        assert_eq!(saboteur.done(), 0);
        let rewritten = ear.statement(Some("s4"), "SELECT FROM seats WHERE token = 1");
        assert_eq!((rewritten.as_deref(), saboteur.done()), (Some("SELECT FROM seats WHERE true"), 0));
        let other = ear.statement(None, "UPDATE shows SET a = 1 WHERE b = 2");
        assert_eq!(other.as_deref(), Some("UPDATE shows SET a = 1 WHERE true OR b = 2"));
        assert_eq!(saboteur.done(), 1, "both parts of it");
    }

    #[test]
    fn every_second_transaction_that_sells_is_rolled_back() {
        let saboteur = Saboteur::default();
        saboteur.order(Some(Sabotage::RollBack { after: "INSERT", every: 2 }));
        let mut ear = ear(&saboteur);
        ear.statement(Some("sell"), "INSERT INTO bookings");
        ear.statement(Some("look"), "SELECT FROM bookings");
        let mut ends = |statement: &str| {
            ear.statement(None, "BEGIN");
            ear.runs(statement);
            ear.statement(None, "COMMIT").is_some()
        };
        let ends = ["sell", "look", "sell", "look", "sell"].map(&mut ends);
        assert_eq!(ends, [true, false, false, false, true]);
        assert_eq!(saboteur.done(), 2);
    }
}
