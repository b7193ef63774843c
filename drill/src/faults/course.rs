//! Fault after fault, until there were enough or one was not recovered from.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::sleep;

use super::Settings;
use super::act::Stage;
use super::marks::Marks;
use super::plan::{Fault, Plan};
use super::recovery::Inspector;
use super::rehearsal::Rehearsal;
use super::tally::Tally;
use crate::history::{Recorder, What};

/// One run's faults.
pub(super) struct Course<'run, Say> {
    settings: &'run Settings,
    stage: Stage<'run>,
    recorder: &'run Recorder,
    marks: &'run Marks,
    say: &'run Say,
    began: Instant,
    tally: Tally,
    cut_short: Option<String>,
}

impl<'run, Say: Fn(&str)> Course<'run, Say> {
    /// Begins now.
    pub(super) fn new(
        settings: &'run Settings,
        (rehearsal, inspector): (&'run Rehearsal, &'run Inspector),
        (recorder, marks): (&'run Recorder, &'run Marks),
        say: &'run Say,
    ) -> Self {
        let stage = Stage { rehearsal, inspector };
        let (began, tally) = (Instant::now(), Tally::default());
        Self { settings, stage, recorder, marks, say, began, tally, cut_short: None }
    }

    /// Runs to the end. What went wrong is told by [`Course::end`]: the buyers are to finish all the same.
    pub(super) async fn run(&mut self, plan: Plan) -> Result<()> {
        self.cut_short = self.go_on(plan).await.err().map(|error| format!("{error:#}"));
        let (faults, operations) = (self.tally.faults(), self.recorder.ops());
        (self.say)(&format!("{faults} faults, {operations} operations: waiting for the last buyers to go"));
        Ok(())
    }

    /// The faults by kind, and why there were no more.
    pub(super) fn end(self) -> (Tally, Option<String>) {
        (self.tally, self.cut_short)
    }

    async fn go_on(&mut self, plan: Plan) -> Result<()> {
        for (fault, number) in plan.zip(1..) {
            let (faults, operations) = (self.tally.faults(), self.recorder.ops());
            if faults >= self.settings.faults && operations >= self.settings.operations {
                return Ok(());
            }
            let in_time = self.began.elapsed() < self.settings.bound();
            ensure!(in_time, "the time is over at {faults} faults and {operations} operations");
            sleep(fault.calm).await;
            self.one(number, &fault)
                .await
                .with_context(|| format!("{number} {} {}", fault.kind, fault.part))?;
        }
        bail!("there is nothing to break")
    }

    async fn one(&mut self, number: u32, fault: &Fault) -> Result<()> {
        let Fault { kind, part, .. } = fault;
        let at = self.began.elapsed().as_secs_f64();
        self.recorder.record(What::Fault { fault: number, name: kind.name(), part: part.clone() });
        let active = self.marks.injected(fault);
        let harmed = self.stage.act(fault).await?;
        let whole = self.stage.inspector.whole(&harmed.gone).await?;
        drop(active);
        self.recorder.record(What::Recovered { fault: number });
        self.tally.count(*kind, whole.after);
        (self.say)(&format!("{number:4} {at:7.1} s  {kind:20} {part} ({}): whole {whole}", harmed.what));
        Ok(())
    }
}
