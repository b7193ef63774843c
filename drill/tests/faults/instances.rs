//! Killing one instance of each service under load: no visitor sees a 5xx.

use crate::alone;
use crate::crowd::Crowd;

#[tokio::test]
async fn an_instance_killed_under_load_is_noticed_by_no_visitor() {
    let (_guard, fleet) = alone().await;
    for service in ["catalog", "reservations", "waitlist"] {
        let crowd = Crowd::start(&fleet).await;
        fleet.kill_and_wait(&format!("{service}-1")).await.unwrap();
        crowd.goes_on().await;
        fleet.whole().await.unwrap();
        crowd.goes_on().await;
        let complaints = crowd.stop().await;
        assert!(
            complaints.is_empty(),
            "{service}: {} complaints, the first: {:?}",
            complaints.len(),
            &complaints[..complaints.len().min(3)]
        );
    }
}

#[tokio::test]
async fn an_instance_that_is_asked_to_stop_drains_and_is_noticed_by_no_visitor() {
    let (_guard, fleet) = alone().await;
    for service in ["catalog", "reservations", "waitlist"] {
        let crowd = Crowd::start(&fleet).await;
        drop(fleet.take_down(&format!("{service}-2"), nix::sys::signal::Signal::SIGTERM).await.unwrap());
        fleet.whole().await.unwrap();
        crowd.goes_on().await;
        let complaints = crowd.stop().await;
        assert!(
            complaints.is_empty(),
            "{service}: {} complaints, the first: {:?}",
            complaints.len(),
            &complaints[..complaints.len().min(3)]
        );
    }
}
