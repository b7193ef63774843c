//! The checker itself is tested: bugs are planted into a running fleet, and each must be found, by the invariant that it
//! breaks. The programs are the real ones; a saboteur on their way to Postgres changes what they say there. With the
//! saboteur idle, the same fleet and the same plays must be found in order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod actor;
mod bugs;
mod drives;
mod sabotage;
mod stage;
mod wire;

use std::collections::HashSet;
use std::time::Instant;

use drill::checker::Verdict;
use drill::history::Recorder;
use futures_util::future::join_all;

use actor::Actor;
use bugs::{BUGS, Bug, PLAYS};
use stage::Stage;

/// One fleet for all: starting it takes longer than any of the plays.
#[tokio::test(flavor = "multi_thread")]
async fn every_planted_bug_is_found_and_without_one_nothing_is() {
    let mut stage = Stage::open().await.unwrap();
    let began = Instant::now();
    let verdict = without_bugs(&mut stage).await;
    tell("no bug", began, &verdict);
    assert!(verdict.holds(), "without a bug:\n{verdict}");
    for bug in &BUGS {
        let began = Instant::now();
        let verdict = with_bug(&mut stage, bug).await;
        tell(bug.name, began, &verdict);
        assert!(stage.saboteur.done() > 0, "{}: the saboteur had nothing to do", bug.name);
        let stories = verdict.judgements.iter().filter(|judgement| judgement.number == bug.breaks);
        let mut titles = stories.flat_map(|judgement| &judgement.violations).map(|story| &story.title);
        assert!(titles.any(|title| title.contains(bug.story)), "{} is not found:\n{verdict}", bug.name);
    }
    stage.close().await.unwrap();
}

fn tell(what: &str, began: Instant, verdict: &Verdict) {
    eprintln!("{what}: {:.1} s, violated {:?}", began.elapsed().as_secs_f64(), verdict.violated());
}

async fn without_bugs(stage: &mut Stage) -> Verdict {
    let recorder = Recorder::new();
    let scenes = PLAYS.map(|play| (play, stage.scene(&recorder)));
    let shows: HashSet<_> = scenes.iter().map(|(_, scene)| scene.show.clone()).collect();
    let lookers: Vec<_> = scenes.iter().map(|(_, scene)| scene.actor()).collect();
    let plays = scenes.map(|(play, scene)| play(scene));
    let all = async {
        join_all(plays).await;
        join_all(lookers.iter().map(Actor::look)).await;
    };
    stage.judged(&recorder, shows, all).await.unwrap()
}

async fn with_bug(stage: &mut Stage, bug: &Bug) -> Verdict {
    let recorder = Recorder::new();
    let scene = stage.scene(&recorder);
    stage.order(Some(bug.sabotage)).await.unwrap();
    if bug.ungated {
        stage.redis(false).await.unwrap();
    }
    let shows = HashSet::from([scene.show.clone()]);
    let play = (bug.play)(scene);
    let verdict = stage.judged(&recorder, shows, play).await.unwrap();
    if bug.ungated {
        stage.redis(true).await.unwrap();
    }
    verdict
}
