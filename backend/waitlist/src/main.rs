//! The waitlist: queue entries and offers.

use std::process::ExitCode;

use service::drain::Drain;
use service::session::SessionKeys;
use waitlist::Config;

fn main() -> ExitCode {
    service::cli::main("waitlist", |config: Config, command| async move {
        match command.verb.as_str() {
            "serve" => {
                let keys = SessionKeys::from_environment()?;
                let listener = service::http::bind(config.listen).await?;
                waitlist::serve(config, keys, listener, Drain::default()).await
            }
            "migrate" => waitlist::migrate(&config).await,
            other => anyhow::bail!("unknown command `{other}`; there are `serve` and `migrate`"),
        }
    })
}
