//! What visitors see while Postgres is away.

use testkit::client::Client;
use testkit::wait::until;

use crate::world::World;

#[tokio::test]
async fn without_postgres_the_answer_is_503_with_a_time_and_pages_still_come() {
    let mut world = World::empty().await;
    world.config.postgres.url = "postgres://127.0.0.1:1/none".into();
    let visitor = Client::new(world.start().await);
    for path in [
        "/api/movies",
        "/api/movies/popular",
        "/api/movies/x",
        "/api/movies/x/shows",
        "/api/shows/x",
        "/api/cities",
    ] {
        let answer = visitor.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "unavailable"), "{path}");
        assert!(answer.headers.contains_key("retry-after"), "{path}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
    }
    for path in ["/", "/assets/app.js", "/livez"] {
        assert_eq!(visitor.get(path).await.status, 200, "{path}");
    }
    // Another instance may be better off. Where none is, the balancer asks all the same.
    until("the instance not to be ready", async || {
        (visitor.get("/readyz").await.status == 503).then_some(())
    })
    .await;
}
